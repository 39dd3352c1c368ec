"""Run the pipeline with KFP's local runner: what `make run` and `make backfill` call.

No server is needed: each task is a process of its own, or with `RUNNER=docker` a container.
"""

import io
import logging
import os
import re
import sys
import warnings
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.results import Result
from {{{ cookiecutter.package_name }}}.runtime.run import Run
from {{{ cookiecutter.package_name }}}.runtime.run.command import run_period, run_periods

HOME = Path(".kubeflow")
PORTS: dict[str, int] = {{{ '{"%s_PORT": %s}' % (cookiecutter.__pages | upper, cookiecutter.__pages_port) if cookiecutter.__pages else "{}" }}}
"""Of `make ui`, by the variables that name others."""


def training(period: str | None = None) -> Result:
    """Run the pipeline for a period, by default the newest that has ended."""
    return run_period(period, run_locally)


def backfill(first: str, last: str) -> list[Result]:
    """Run the pipeline for each period of a range, in order."""
    return run_periods(first, last, run_locally)


def check() -> str:
    """Return what runs the tasks, in a clause; raise `BadInput` where RUNNER names nothing."""
    return f"KFP's local runner, {type(runner()).__name__}"


def run_locally(run: Run) -> None:
    """Run the tasks; their whole output goes to a log, and what the steps log to the screen."""
    from kfp import local
    from kfp.local import logging_utils

    from pipelines.training import training as pipeline

    warnings.filterwarnings("ignore", module="kfp")  # a laptop has no limits and no images
    # KFP 2.17 wraps `print` for each task, which is not thread-safe: the tasks of a loop leave it
    # wrapped, and each wrap doubles the time that a line takes.
    logging_utils.indented_print = nullcontext
    local.init(runner(), pipeline_root=str(HOME), raise_on_error=False)
    HOME.mkdir(exist_ok=True)
    file = HOME / f"{run.run_id}.log"
    print(f"Starting the tasks. Their whole output: {file}", flush=True)
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    with file.open("a", buffering=1, encoding="utf-8") as log, redirect_stdout(Output(log)):
        pipeline(period=run.period)
    logger.handlers[:] = handlers  # the tasks of a loop leave KFP's, too
    logger.setLevel(level)


class Output(io.TextIOBase):
    """The output of the tasks: all of it goes to a log, the lines of the steps to the screen."""

    LINE = re.compile(r"\[KFP Executor \S+ \S+ [A-Z]+\]: (.*)")
    OF_KFP = ("Looking for component", "Loading KFP component", "Got executor_input", "Wrote exec")

    def __init__(self, log: TextIO) -> None:
        """Write to `log`."""
        self.log = log

    def write(self, text: str) -> int:
        """Write to the log, and print the line of a step."""
        line = self.LINE.search(text)
        if line and not line[1].startswith(self.OF_KFP):
            print(line[1], file=sys.__stdout__, flush=True)
        return self.log.write(text)


def runner() -> Any:
    """Return the runner that RUNNER in the environment names.

    Raises:
        BadInput: there is no such runner.
    """
    from kfp import local

    name = os.environ.get("RUNNER") or "subprocess"
    if name == "subprocess":
        return local.SubprocessRunner(use_venv=False)
    if name != "docker":
        raise BadInput(f"No such runner: {name}. RUNNER is subprocess or docker.")
    from docker.types import Mount

    from {{{ cookiecutter.package_name }}}.runtime.notify import targets
{% if cookiecutter.tracker == "wandb" %}
    from {{{ cookiecutter.package_name }}}.runtime.registry import wandb_client
{% endif %}
{% if cookiecutter.source == "sql" %}
    from {{{ cookiecutter.package_name }}}.runtime.source import sql

    passed = (targets.VARIABLE, "SOURCE", sql.VARIABLE{{{ {'wandb': ', *wandb_client.SERVER', 'dvclive': ', "REGISTRY_REPO"'}.get(cookiecutter.tracker, '') }}})
{% else %}

    passed = (targets.VARIABLE, "SOURCE"{{{ {'wandb': ', *wandb_client.SERVER', 'dvclive': ', "REGISTRY_REPO"'}.get(cookiecutter.tracker, '') }}})
{% endif %}
    # The package is the image's. The project's folder has the same path as here.
    here = str(Path.cwd())
    return local.DockerRunner(
        mounts=[Mount(target=here, source=here, type="bind")],
        working_dir=here,
        user=f"{os.getuid()}:{os.getgid()}",
        environment={"HOME": "/tmp"} | {name: os.environ.get(name, "") for name in passed},  # noqa: S108
    )
