"""Checkpoints: a step of a run is done once; afterwards its stored result is returned."""

import logging
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest
from pydantic import BaseModel

from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.files import write_json
from {{{ cookiecutter.package_name }}}.runtime.run.checkpoint import (
    checkpoint,
    retries,
    seconds,
    unfinished,
)
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import Run, RunDir

from .conftest import P

KILLED = f"""
import os, signal, sys
from {{{ cookiecutter.package_name }}}.runtime.run.checkpoint import checkpoint
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import Run

def ingest(run: Run, period: str) -> Run:
    os.kill(os.getpid(), signal.SIGKILL)

checkpoint(ingest, Run.model_validate_json(sys.argv[1]), "{P[4]}")
"""


class Read(BaseModel):
    run_id: str
    period: str


class Steps:
    """A step that records its calls, and fails or waits on demand."""

    def __init__(self) -> None:
        self.periods: list[str] = []
        self.fails = False
        self.may_end = threading.Event()
        self.may_end.set()

    def ingest(self, run: Run, period: str) -> Read:
        self.periods.append(period)
        self.may_end.wait(60)
        if self.fails:
            raise OSError("no answer")
        read = Read(run_id=run.run_id, period=period)
        write_json(RunDir(run).step_result("ingest", period), read)
        return read


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(run_id=f"{P[6]}-0123abcd", period=P[6], folder=str(tmp_path))


@pytest.fixture
def steps() -> Steps:
    return Steps()


def test_each_period_of_each_run_is_done_once(run: Run, steps: Steps, tmp_path: Path) -> None:
    other = run.model_copy(update={"folder": str(tmp_path / "other"), "run_id": "other"})
    for _ in range(2):
        for period in (P[4], P[5]):
            read = checkpoint(steps.ingest, run, period)
            assert read == Read(run_id=run.run_id, period=period)
        assert checkpoint(steps.ingest, other, P[4]).run_id == "other"
    assert steps.periods == [P[4], P[5], P[4]]


def test_a_step_that_failed_is_done_again(run: Run, steps: Steps) -> None:
    steps.fails = True
    with pytest.raises(OSError, match="no answer"):
        checkpoint(steps.ingest, run, P[4])
    assert unfinished(run) == ["ingest"]
    steps.fails = False
    checkpoint(steps.ingest, run, P[4])
    assert steps.periods == [P[4], P[4]]
    assert unfinished(run) == []


def test_a_panic_of_polars_is_an_error_like_others(run: Run) -> None:
    """It is no `Exception`, so that an orchestrator would take it for a killed process."""

    def note(run: Run) -> Read:
        raise pl.exceptions.PanicException(run.run_id)

    assert not issubclass(pl.exceptions.PanicException, Exception)
    with pytest.raises(RuntimeError, match="step note: Polars failed: "):
        checkpoint(note, run)


def test_a_step_that_returns_no_model_does_not_start(run: Run) -> None:
    def note(run: Run) -> None:
        raise AssertionError(run)

    with pytest.raises(BadInput, match="step note: annotate the pydantic model that it returns"):
        checkpoint(note, run)  # type: ignore[type-var]


def test_a_step_that_does_not_write_what_it_returns_is_not_done(run: Run) -> None:
    def note(run: Run) -> Read:
        return Read(run_id=run.run_id, period=run.period)

    for _ in range(2):
        with pytest.raises(BadInput, match=r"step note: write what it returns to note\.json"):
            checkpoint(note, run)


def test_a_step_of_two_values_does_not_start(run: Run) -> None:
    def compare(run: Run, one: str, other: str) -> Read:
        raise AssertionError(run, one, other)

    with pytest.raises(BadInput, match="step compare: give it one value at most beside the run"):
        checkpoint(compare, run, P[4], P[5])


def test_of_two_processes_the_second_waits_and_finds_it_done(
    run: Run, steps: Steps, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    steps.may_end.clear()
    both = [threading.Thread(target=lambda: checkpoint(steps.ingest, run, P[4])) for _ in range(2)]
    for thread in both:
        thread.start()
    while f"ingest-{P[4]}: waiting for another process that runs it" not in caplog.text:
        assert any(thread.is_alive() for thread in both)
        time.sleep(0.01)
    steps.may_end.set()
    for thread in both:
        thread.join()
    assert steps.periods == [P[4]]
    assert f"ingest-{P[4]}: done by another process" in caplog.text


def test_the_periods_of_a_step_are_added_up(run: Run, steps: Steps) -> None:
    checkpoint(steps.ingest, run, P[4])
    first = seconds(run)
    checkpoint(steps.ingest, run, P[5])
    assert list(first) == ["ingest"]
    assert seconds(run)["ingest"] >= first["ingest"] >= 0


def test_only_retries_are_counted(run: Run, steps: Steps) -> None:
    steps.fails = True
    for period in (P[4], P[4], P[5]):
        with pytest.raises(OSError, match="no answer"):
            checkpoint(steps.ingest, run, period)
    assert retries(run) == {"ingest": 1}
    steps.fails = False
    for period in (P[4], P[5], P[6], P[6]):
        checkpoint(steps.ingest, run, period)
    assert retries(run) == {"ingest": 3}
    other = run.model_copy(update={"folder": f"{run.folder}/other"})
    checkpoint(steps.ingest, other, P[4])
    assert retries(other) == {}


def test_a_try_that_was_killed_is_counted(run: Run, steps: Steps) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, run.model_dump_json()], check=False)
    assert killed.returncode == -signal.SIGKILL
    checkpoint(steps.ingest, run, P[4])
    assert retries(run) == {"ingest": 1}


def test_tries_are_counted_in_an_object_store(run: Run, steps: Steps) -> None:
    there = run.model_copy(update={"folder": f"memory://runs/{uuid4().hex}"})
    steps.fails = True
    with pytest.raises(OSError, match="no answer"):
        checkpoint(steps.ingest, there, P[4])
    steps.fails = False
    checkpoint(steps.ingest, there, P[4])
    assert retries(there) == {"ingest": 1}
