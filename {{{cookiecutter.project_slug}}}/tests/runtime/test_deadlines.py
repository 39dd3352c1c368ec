"""A month that has no champion in time is noticed, whatever became of its run, and said once."""

from datetime import UTC, datetime

import pytest

from {{{ cookiecutter.package_name }}} import deadlines
from {{{ cookiecutter.package_name }}}.deadlines import check
from {{{ cookiecutter.package_name }}}.events import Event
from {{{ cookiecutter.package_name }}}.results import write_failed

from .conftest import Project

RERUN = "make run PERIOD={period}"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """The events that were to be sent."""
    events: list[Event] = []
    monkeypatch.setattr(deadlines, "notify", lambda event, _folder: events.append(event))
    return events


def at(month: int, day: int, year: int = 2013) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


def test_none_is_set_with_the_sample(project: Project, said: list[Event]) -> None:
    assert project.params.deadlines.champion_days is None
    assert check(project.params, at(11, 26, 2026), RERUN) is None
    assert said == []


def test_a_month_without_a_run_is_noticed_when_it_is_due(
    released: Project, said: list[Event]
) -> None:
    released.tune(deadlines__champion_days=3)
    assert check(released.params, at(6, 3), RERUN) is None  # April, which has its champion
    reason = check(released.params, at(6, 4), RERUN)
    assert reason is not None
    assert reason.endswith("for 2013-05 within 3 days of its end: no run began")
    (event,) = said
    assert (event.kind, event.period, event.severity) == ("deadline_missed", "2013-05", "critical")
    assert event.rerun == "make run PERIOD=2013-05"


def test_the_turn_of_the_year(released: Project, said: list[Event]) -> None:
    released.tune(deadlines__champion_days=1)
    for moment, month in ((at(1, 1, 2014), "2013-11"), (at(1, 2, 2014), "2013-12")):
        assert f"kept for {month} within 1 day" in str(check(released.params, moment, RERUN))
    assert [event.period for event in said] == ["2013-11", "2013-12"]


def test_a_run_that_failed_or_has_not_ended_is_named(released: Project, said: list[Event]) -> None:
    released.tune(deadlines__champion_days=3)
    run = released.plan("2013-05")
    assert f"run {run.run_id} has not ended" in str(check(released.params, at(6, 4), RERUN))
    write_failed(run, "none", OSError("disk full"))
    reason = str(check(released.params, at(6, 4), RERUN))
    assert f"run {run.run_id} ended as failed: OSError: disk full" in reason
    released.work("2013-05")
    assert check(released.params, at(6, 4), RERUN) is None
    assert len(said) == 2


def test_a_champion_counts_without_its_run_s_folder(released: Project, said: list[Event]) -> None:
    released.tune(deadlines__champion_days=3, runs="elsewhere")
    assert check(released.params, at(5, 4), RERUN) is None
    assert said == []


def test_what_cannot_be_seen_is_said(
    released: Project, said: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(_root: str) -> None:
        raise ConnectionError("no answer")

    released.tune(deadlines__champion_days=3)
    monkeypatch.setattr(deadlines, "history", down)
    with pytest.raises(ConnectionError):
        check(released.params, at(6, 4), RERUN)
    (event,) = said
    assert (event.title, event.reason) == (
        "nobody knows whether 2013-05 has its champion",
        "no answer",
    )
