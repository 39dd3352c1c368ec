"""A step of a run is done once: what it returned is kept, and it is not done again."""

import signal
import subprocess
import sys
import threading
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import BaseModel

from {{{ cookiecutter.package_name }}}.once import once, retries, seconds
from {{{ cookiecutter.package_name }}}.workspace import Run

KILLED = """
import os, signal, sys
from {{{ cookiecutter.package_name }}}.once import once
from {{{ cookiecutter.package_name }}}.workspace import Run

def step(run: Run, month: str) -> Run:
    os.kill(os.getpid(), signal.SIGKILL)

once(step, Run.model_validate_json(sys.argv[1]), "2013-04")
"""


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


def test_tries_are_counted_from_the_second_on(run: Run, look: Look) -> None:
    look.fails = True
    for month in ("2013-04", "2013-04", "2013-05"):
        with pytest.raises(OSError, match="no answer"):
            once(look.step, run, month)
    assert retries(run) == {"step": 1}
    look.fails = False
    for month in ("2013-04", "2013-05", "2013-06", "2013-06"):
        once(look.step, run, month)
    assert retries(run) == {"step": 3}


def test_a_try_that_was_killed_is_counted(run: Run, look: Look) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, run.model_dump_json()], check=False)
    assert killed.returncode == -signal.SIGKILL
    once(look.step, run, "2013-04")
    assert retries(run) == {"step": 1}


def test_tries_are_counted_in_an_object_store(run: Run, look: Look) -> None:
    there = run.model_copy(update={"folder": f"memory://runs/{uuid4().hex}"})
    look.fails = True
    with pytest.raises(OSError, match="no answer"):
        once(look.step, there, "2013-04")
    look.fails = False
    once(look.step, there, "2013-04")
    assert retries(there) == {"step": 1}


def test_what_was_never_tried_again_is_left_out(run: Run, look: Look) -> None:
    once(look.step, run, "2013-04")
    assert retries(run) == {}
