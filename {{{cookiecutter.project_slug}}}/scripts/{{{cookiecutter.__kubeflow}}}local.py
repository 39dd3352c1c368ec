"""Run the pipeline from the command line: what `make run` and `make backfill` call.

Nothing needs to be up: KFP's local runner runs the tasks, one process each, with no cluster and no
network. `RUNNER=docker` runs them in the image, as on the cluster.
"""

import io
import logging
import os
import re
import sys
import warnings
from contextlib import nullcontext, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from {{{ cookiecutter.package_name }}}.errors import BadInput
from {{{ cookiecutter.package_name }}}.params import load_params
from {{{ cookiecutter.package_name }}}.plan import plan_backfill, plan_run
from {{{ cookiecutter.package_name }}}.results import (
    Result,
    finished,
    nothing_new,
    result_of,
)
from {{{ cookiecutter.package_name }}}.workspace import Run

HOME = Path(".kubeflow")


def training(period: str | None = None) -> Result:
    """Train on the months before a period, judge on the period, and release what is better.

    Args:
        period: a month such as 2013-06; without it, the newest month that has ended.

    Raises:
        BadInput: the period cannot be had, or there is no such runner.
        RuntimeError: the run failed.
    """
    run = plan_run(load_params(), period, datetime.now(UTC))
    if done := finished(run):
        return done if period else nothing_new(done)
    run_here(run)
    return result_of(run)


def backfill(first: str, last: str) -> list[Result]:
    """Retrain month by month, in order, so that each is judged against the one before.

    Args:
        first: the first period, such as 2013-04.
        last: the last period.

    Raises:
        BadInput: one of the periods cannot be had, or there is no such runner.
        RuntimeError: a run failed.
    """
    return [training(period) for period in plan_backfill(load_params(), first, last)]


def run_here(run: Run) -> None:
    """Run the tasks on this machine."""
    from kfp import local
    from kfp.local import logging_utils

    from kubeflow.pipeline import training

    # It says of each task that a laptop has no limits and no images.
    warnings.filterwarnings("ignore", module="kfp")
    # KFP 2.17 wraps `print` for each task, which is not safe in threads: tasks of a loop leave it
    # wrapped, and each wrap doubles the time that a line takes.
    logging_utils.indented_print = nullcontext
    local.init(runner(), pipeline_root=str(HOME), raise_on_error=False)
    HOME.mkdir(exist_ok=True)
    file = HOME / f"{run.run_id}.log"
    print(f"Starting the tasks; all that they say is in {file}", flush=True)
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    with file.open("a", buffering=1, encoding="utf-8") as log, redirect_stdout(StepsOnly(log)):
        training(period=run.period)
    logger.handlers[:] = handlers  # for the same reason, those of its tasks may be left
    logger.setLevel(level)


class StepsOnly(io.TextIOBase):
    """What the tasks say: all of it to a log, and to the screen the lines of the steps."""

    LINE = re.compile(r"\[KFP Executor \S+ \S+ [A-Z]+\]: (.*)")
    OF_KFP = ("Looking for component", "Loading KFP component", "Got executor_input", "Wrote exec")

    def __init__(self, log: TextIO) -> None:
        """Write to `log`."""
        self.log = log

    def write(self, text: str) -> int:
        """Write to the log, and show what is a step's."""
        said = self.LINE.search(text)
        if said and not said[1].startswith(self.OF_KFP):
            print(said[1], file=sys.__stdout__, flush=True)
        return self.log.write(text)


def runner() -> Any:
    """Return what runs the tasks, as RUNNER in the environment says.

    Raises:
        BadInput: there is no such runner.
    """
    from kfp import local

    name = os.environ.get("RUNNER", "") or "subprocess"
    if name == "subprocess":
        return local.SubprocessRunner(use_venv=False)
    if name != "docker":
        raise BadInput(f"No such runner: {name}; RUNNER is subprocess or docker.")
    from docker.types import Mount

    from {{{ cookiecutter.package_name }}}.alerts import VARIABLE

    # The code is the image's, all else is here: it sees the project's folder under the same name.
    here = str(Path.cwd())
    return local.DockerRunner(
        mounts=[Mount(target=here, source=here, type="bind")],
        working_dir=here,
        user=f"{os.getuid()}:{os.getgid()}",
        environment={"HOME": "/tmp", VARIABLE: os.environ.get(VARIABLE, "")},  # noqa: S108
    )
