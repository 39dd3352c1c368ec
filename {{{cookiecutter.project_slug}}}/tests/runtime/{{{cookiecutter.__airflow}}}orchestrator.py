"""Airflow for the tests: a home of its own, and no delay before a task is retried."""

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ops import airflow_settings

# Airflow reads these when it is imported.
airflow_settings.HOME = Path(tempfile.mkdtemp(prefix="airflow-"))
airflow_settings.apply("local.db")
atexit.register(shutil.rmtree, airflow_settings.HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def server() -> None:
    """Airflow's database, in the tests' own home."""
    from airflow import settings

    from ops import local

    local.prepare()
    assert str(airflow_settings.HOME) in str(settings.engine)


@pytest.fixture(scope="session")
def adapter(server: None) -> Iterator[Any]:
    """The module that runs the DAG from the command line."""
    from dags.training import training_dag
    from ops import local

    with pytest.MonkeyPatch.context() as patch:
        for task in training_dag.tasks:
            patch.setattr(task, "retry_delay", timedelta(0))
        local.remove_callbacks(training_dag)
        yield local
