"""Runs of the DAG by `dag.test()`: both branches, retries, resuming, and every way to end."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from {{{ cookiecutter.package_name }}}.errors import BadInput
from {{{ cookiecutter.package_name }}}.plan import plan_run
from {{{ cookiecutter.package_name }}}.results import Result, history
from {{{ cookiecutter.package_name }}}.steps import train as train_step
from {{{ cookiecutter.package_name }}}.steps import (
    validate as validate_step,
)
from {{{ cookiecutter.package_name }}}.workspace import Workspace

from .conftest import Project, enter

DONE_ONCE = {"ingest": 4, "validate": 1, "version": 1, "features": 4}
TASKS = {"plan", "quarantine", "train", "evaluate", "release", "report", *DONE_ONCE}


@pytest.fixture(scope="module")
def local(adapter: Any) -> Any:
    """What `make run` calls."""
    return adapter


def test_run(local: Any, **asked: Any) -> dict[str, list[str]]:
    """Run the DAG as if triggered with these parameters; the states in which its tasks ended."""
    from dags.training import training_dag

    return states(training_dag.test(run_conf=asked))
