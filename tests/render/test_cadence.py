"""Months, ISO weeks and days: what a project of each cadence has, and the arithmetic of periods."""

import importlib
import re
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.render.conftest import FrontEnd
from tests.render.test_orchestrators import contents

CADENCES = {"monthly": "0 6 2 * *", "weekly": "0 6 * * 2", "daily": "0 6 * * *"}

# Ahead of UTC and behind; a day that Samoa skipped; midnights that do not exist, or come twice.
ZONES = (
    *("UTC", "America/New_York", "Asia/Tokyo", "Pacific/Apia", "America/Sao_Paulo"),
    *("America/Havana", "Australia/Lord_Howe", "Pacific/Kiritimati"),
)

# What differs between a project of months and one of days, under Prefect.
DIFFERENT = {
    ".copier-answers.yml",
    "docs/CONTRIBUTING.md",
    ".github/workflows/retrain.yml",
    "Makefile",
    "README.md",
    "docs/delivery.md",
    "docs/make-it-yours.md",
    "docs/onboarding.md",
    "docs/problems.md",
    "docs/source.md",
    "docs/operate.md",
    "params.yaml",
    "flows/training.py",
    "prefect.yaml",
    "src/my_pipeline/runtime/periods.py",
}


@pytest.fixture(scope="module")
def folders(
    tmp_path_factory: pytest.TempPathFactory, render_cookiecutter: FrontEnd
) -> dict[str, Path]:
    """Return a project of each cadence."""
    out = tmp_path_factory.mktemp("cadences")
    return {name: render_cookiecutter(out / name, cadence=name) for name in CADENCES}


@pytest.fixture(scope="module")
def periods(folders: dict[str, Path]) -> Iterator[ModuleType]:
    """Import the module of a rendered project; it needs no library."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folders["daily"] / "src"))
        yield importlib.import_module("my_pipeline.runtime.periods")
        for name in [name for name in sys.modules if name.startswith("my_pipeline")]:
            del sys.modules[name]


def test_few_files_depend_on_the_cadence(folders: dict[str, Path]) -> None:
    months, days = contents(folders["monthly"]), contents(folders["daily"])
    assert months.keys() == days.keys()
    assert {name for name in months if months[name] != days[name]} == DIFFERENT


@pytest.mark.parametrize(("cadence", "cron"), CADENCES.items())
def test_the_schedule_follows_the_cadence(
    cadence: str, cron: str, tmp_path: Path, render_cookiecutter: FrontEnd
) -> None:
    crons = {
        "prefect": ("prefect.yaml", f'- cron: "{cron}"'),
        "airflow": ("dags/training.py", f'CronDataIntervalTimetable("{cron}", '),
        "kubeflow": ("pipelines/schedule.py", f'CRON = "0 0 11 {cron.removeprefix("0 6 ")}"'),
    }
    for orchestrator, (file, line) in crons.items():
        folder = render_cookiecutter(
            tmp_path / orchestrator, orchestrator=orchestrator, cadence=cadence
        )
        assert (folder / file).read_text().count(line) == 1


def test_schedules_follow_the_clocks_of_the_team(by_orchestrator: dict[str, Path]) -> None:
    """Of each schedule, the zone is that in which a period begins and ends."""
    airflow = by_orchestrator["airflow"]
    tables = (airflow / "src/my_pipeline/tables.py").read_text()
    (zone,) = re.findall(r'^TIME_ZONE = "(.+)"$', tables, re.MULTILINE)
    dags = "".join(file.read_text() for file in airflow.glob("dags/*.py"))
    prefect = (by_orchestrator["prefect"] / "prefect.yaml").read_text()
    for text, pattern in ((dags, r'timezone="(.+?)"'), (prefect, r"timezone: (\S+)")):
        assert re.findall(pattern, text) == [zone, zone]


days = st.dates(date(1990, 1, 1), date(2040, 12, 31))
moments = st.integers(631_300_000, 2_240_000_000).map(lambda at: datetime.fromtimestamp(at, UTC))
units = st.sampled_from(["MONTHLY", "WEEKLY", "DAILY"])
zones = st.sampled_from(ZONES)


@given(day=days, unit=units)
def test_a_day_lies_in_its_period(periods: ModuleType, day: date, unit: str) -> None:
    cadence = getattr(periods, unit)
    period = periods.period_of(day, cadence)
    assert periods.cadence_of(period) is cadence
    start, end = (moment.date() for moment in periods.bounds(period, "UTC"))
    assert start <= day < end
    assert 1 <= (end - start).days <= cadence.longest_days


@given(day=days, unit=units, by=st.integers(-600, 600))
def test_periods_follow_each_other(periods: ModuleType, day: date, unit: str, by: int) -> None:
    period = periods.period_of(day, getattr(periods, unit))
    other = periods.shift(period, by)
    assert periods.shift(other, -by) == period
    # Sorted as text, periods are in the order of time.
    assert (other > period) - (other < period) == (by > 0) - (by < 0)
    assert periods.begins_later(other, period) == (by > 0)


@given(day=days, unit=units, backs=st.sets(st.integers(0, 40)))
def test_periods_in_words_are_all_that_were_given(
    periods: ModuleType, day: date, unit: str, backs: set[int]
) -> None:
    last = periods.period_of(day, getattr(periods, unit))
    given = [periods.shift(last, -back) for back in sorted(backs, reverse=True)]
    words = [part.split(" to ") for part in periods.in_words(given).split(", ") if part]
    named = []
    for first, *end in words:
        named.append(first)
        while end and named[-1] != end[0]:
            named.append(periods.shift(named[-1], 1))
    assert named == given


@given(day=days, unit=units, zone=zones)
def test_periods_leave_no_gap(periods: ModuleType, day: date, unit: str, zone: str) -> None:
    period = periods.period_of(day, getattr(periods, unit))
    start, end = periods.bounds(period, zone)
    assert start <= end  # a day may have been skipped
    assert end == periods.bounds(periods.shift(period, 1), zone)[0]


@given(moment=moments, zone=zones)
def test_the_period_before_a_moment_is_the_last_that_ended(
    periods: ModuleType, moment: datetime, zone: str
) -> None:
    before = periods.period_before(moment, zone)
    now = periods.shift(before, 1)
    assert periods.has_ended(before, moment, zone)
    assert not periods.has_ended(now, moment, zone)
    start, end = periods.bounds(now, zone)
    assert start <= moment < end
    assert now == periods.period_of(moment.astimezone(ZoneInfo(zone)).date())


@given(text=st.from_regex(r"[0129]\d{3}-(W\d\d|\d\d(-\d\d)?)", fullmatch=True))
def test_no_other_text_is_a_period(periods: ModuleType, text: str) -> None:
    cadence = periods.cadence_of(text)
    if cadence is not None:
        start = periods.bounds(text, "UTC")[0]
        assert periods.period_of(start.date(), cadence) == text
