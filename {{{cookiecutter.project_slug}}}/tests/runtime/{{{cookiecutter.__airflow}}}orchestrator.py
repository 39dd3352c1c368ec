"""Airflow for the tests: a home of its own, and no delay before a task is retried."""

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ops import airflow

# Airflow reads its settings when it is imported.
airflow.HOME = Path(tempfile.mkdtemp(prefix="airflow-"))
airflow.configure("local.db")
atexit.register(shutil.rmtree, airflow.HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def server() -> None:
    """Airflow's database, in the tests' own home."""
    from airflow import settings

    from ops import local

    local.prepare()
    assert str(airflow.HOME) in str(settings.engine)


@pytest.fixture(scope="session")
def adapter(server: None) -> Iterator[Any]:
    """The module that runs the DAG from the command line."""
    from dags.training import training_dag
    from ops import local

    with pytest.MonkeyPatch.context() as patch:
        for task in training_dag.tasks:
            patch.setattr(task, "retry_delay", timedelta(0))
        yield local
