"""A period without a champion in time is noticed, whatever became of its run; one alert is sent."""

from datetime import UTC, datetime

import pytest

from {{{ cookiecutter.package_name }}}.runtime.notify import deadlines
from {{{ cookiecutter.package_name }}}.runtime.notify.deadlines import check
from {{{ cookiecutter.package_name }}}.runtime.notify.events import Event
from {{{ cookiecutter.package_name }}}.runtime.run.outcome import write_failed

from .conftest import Project

RERUN = "make run PERIOD={period}"
THIRD, FOURTH = datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """The events that would be sent."""
    events: list[Event] = []
    monkeypatch.setattr(deadlines, "notify", lambda event, _folder: events.append(event))
    return events


def test_nothing_is_due_without_a_deadline(project: Project, sent: list[Event]) -> None:
    project.tune(deadlines__champion_days=None)
    assert check(project.params, datetime(2026, 11, 26, tzinfo=UTC), RERUN) is None
    assert sent == []


def test_a_period_without_a_run_is_noticed_when_it_is_due(
    released: Project, sent: list[Event]
) -> None:
    released.tune(deadlines__champion_days=3)
    assert check(released.params, THIRD, RERUN) is None  # April, which has its champion
    reason = check(released.params, FOURTH, RERUN)
    assert reason is not None
    assert reason.endswith("for 2013-05 within 3 days of its end: no run started")
    (event,) = sent
    assert (event.kind, event.period, event.severity) == ("deadline_missed", "2013-05", "critical")
    assert event.rerun == "make run PERIOD=2013-05"


def test_the_turn_of_the_year(released: Project, sent: list[Event]) -> None:
    released.tune(deadlines__champion_days=1)
    for day, period in ((1, "2013-11"), (2, "2013-12")):
        moment = datetime(2014, 1, day, tzinfo=UTC)
        assert f"kept for {period} within 1 day" in str(check(released.params, moment, RERUN))
    assert [event.period for event in sent] == ["2013-11", "2013-12"]


def test_a_run_that_failed_or_has_not_ended_is_named(released: Project, sent: list[Event]) -> None:
    released.tune(deadlines__champion_days=3)
    run = released.plan("2013-05")
    assert f"run {run.run_id} has not ended" in str(check(released.params, FOURTH, RERUN))
    write_failed(run, "none", OSError("disk full"))
    reason = str(check(released.params, FOURTH, RERUN))
    assert f"run {run.run_id} ended as failed: OSError: disk full" in reason
    released.work("2013-05")
    assert check(released.params, FOURTH, RERUN) is None
    assert len(sent) == 2


def test_a_champion_counts_without_its_run_directory(released: Project, sent: list[Event]) -> None:
    released.tune(deadlines__champion_days=3, runs="elsewhere")
    assert check(released.params, datetime(2013, 5, 4, tzinfo=UTC), RERUN) is None
    assert sent == []


def test_a_check_that_fails_sends_an_alert(
    released: Project, sent: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(_root: str) -> None:
        raise ConnectionError("no answer")

    released.tune(deadlines__champion_days=3)
    monkeypatch.setattr(deadlines, "history", down)
    with pytest.raises(ConnectionError):
        check(released.params, FOURTH, RERUN)
    (event,) = sent
    assert event.title == "whether 2013-05 has its champion is unknown"
    assert event.reason == "no answer"
