"""A period without a champion in time is noticed, whatever became of its run; one alert is sent."""

from datetime import UTC, datetime, timedelta

import pytest

from {{{ cookiecutter.package_name }}}.runtime.notify import deadlines
from {{{ cookiecutter.package_name }}}.runtime.notify.deadlines import check
from {{{ cookiecutter.package_name }}}.runtime.notify.events import Event
from {{{ cookiecutter.package_name }}}.runtime.run.outcome import write_failed

from .conftest import P, Project, end_of

RERUN = "make run PERIOD={period}"
DUE = end_of(P[5]) + timedelta(days=3)
BEFORE = DUE - timedelta(minutes=1)


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
    assert check(released.params, BEFORE, RERUN) is None  # of P[4], which has its champion
    reason = check(released.params, DUE, RERUN)
    assert reason is not None
    assert reason.endswith(f"for {P[5]} within 3 days of its end: no run started")
    (event,) = sent
    assert (event.kind, event.period, event.severity) == ("deadline_missed", P[5], "critical")
    assert event.rerun == f"make run PERIOD={P[5]}"


def test_each_period_has_its_deadline(released: Project, sent: list[Event]) -> None:
    released.tune(deadlines__champion_days=1)
    for period in (P[11], P[12]):
        moment = end_of(period) + timedelta(days=1)
        assert f"kept for {period} within 1 day" in str(check(released.params, moment, RERUN))
    assert [event.period for event in sent] == [P[11], P[12]]


def test_a_run_that_failed_or_has_not_ended_is_named(released: Project, sent: list[Event]) -> None:
    released.tune(deadlines__champion_days=3)
    run = released.plan(P[5])
    assert f"run {run.run_id} has not ended" in str(check(released.params, DUE, RERUN))
    write_failed(run, "none", OSError("disk full"))
    reason = str(check(released.params, DUE, RERUN))
    assert f"run {run.run_id} ended as failed: OSError: disk full" in reason
    released.work(P[5])
    assert check(released.params, DUE, RERUN) is None
    assert len(sent) == 2


def test_a_champion_counts_without_its_run_directory(released: Project, sent: list[Event]) -> None:
    released.tune(deadlines__champion_days=3, runs="elsewhere")
    assert check(released.params, end_of(P[4]) + timedelta(days=3), RERUN) is None
    assert sent == []


def test_a_check_that_fails_sends_an_alert(
    released: Project, sent: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(_root: str) -> None:
        raise ConnectionError("no answer")

    released.tune(deadlines__champion_days=3)
    monkeypatch.setattr(deadlines, "history", down)
    with pytest.raises(ConnectionError):
        check(released.params, DUE, RERUN)
    (event,) = sent
    assert event.title == f"whether {P[5]} has its champion is unknown"
    assert event.reason == "no answer"
