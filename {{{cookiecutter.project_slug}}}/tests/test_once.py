"""A step of a run is done once: what it returned is kept, and it is not done again."""

import threading
from pathlib import Path

import pytest
from pydantic import BaseModel

from {{{ cookiecutter.package_name }}}.once import once, seconds
from {{{ cookiecutter.package_name }}}.workspace import Run


class Seen(BaseModel):
    period: str
    month: str


class Look:
    """A step that counts how often it is done, and may be told to fail or to wait."""

    def __init__(self) -> None:
        self.months: list[str] = []
        self.fails = False
        self.may_end = threading.Event()
        self.may_end.set()

    def step(self, run: Run, month: str) -> Seen:
        self.months.append(month)
        self.may_end.wait(60)
        if self.fails:
            raise OSError("no answer")
        return Seen(period=run.period, month=month)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(run_id="2013-06-0123abcd", period="2013-06", folder=str(tmp_path))


@pytest.fixture
def look() -> Look:
    return Look()


def test_a_step_that_is_done_is_not_done_again(run: Run, look: Look) -> None:
    seen = once(look.step, run, "2013-04")
    assert seen == Seen(period="2013-06", month="2013-04")
    assert once(look.step, run, "2013-04") == seen
    assert look.months == ["2013-04"]


def test_every_month_is_done(run: Run, look: Look) -> None:
    for month in ("2013-04", "2013-05"):
        assert once(look.step, run, month).month == month
    assert look.months == ["2013-04", "2013-05"]


def test_every_run_does_its_own(run: Run, look: Look, tmp_path: Path) -> None:
    other = run.model_copy(update={"folder": str(tmp_path / "other"), "period": "2013-07"})
    assert once(look.step, run, "2013-04").period == "2013-06"
    assert once(look.step, other, "2013-04").period == "2013-07"


def test_a_step_that_failed_is_done_again(run: Run, look: Look) -> None:
    look.fails = True
    with pytest.raises(OSError, match="no answer"):
        once(look.step, run, "2013-04")
    look.fails = False
    once(look.step, run, "2013-04")
    assert look.months == ["2013-04", "2013-04"]


def test_a_step_that_returns_no_model_is_not_begun(run: Run) -> None:
    def note(run: Run) -> None:
        raise AssertionError(run)

    with pytest.raises(TypeError, match="step note: let it return a pydantic model"):
        once(note, run)  # type: ignore[type-var]


def test_the_second_of_two_waits_and_finds_it_done(
    run: Run, look: Look, caplog: pytest.LogCaptureFixture
) -> None:
    look.may_end.clear()
    both = [threading.Thread(target=lambda: once(look.step, run, "2013-04")) for _ in range(2)]
    for thread in both:
        thread.start()
    while "another process is at it; waiting" not in caplog.text:
        assert any(thread.is_alive() for thread in both)
    look.may_end.set()
    for thread in both:
        thread.join()
    assert look.months == ["2013-04"]


def test_the_months_of_a_step_are_added_up(run: Run, look: Look) -> None:
    once(look.step, run, "2013-04")
    first = seconds(run)
    once(look.step, run, "2013-05")
    assert list(first) == ["step"]
    assert seconds(run)["step"] >= first["step"] >= 0
