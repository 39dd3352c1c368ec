"""The orchestrator as the tests have it: a home of its own, and no waiting between tries."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts import airflow_settings

# Airflow reads where its home and its database are when it is imported.
airflow_settings.HOME = Path(tempfile.mkdtemp(prefix="airflow-"))
os.environ["AIRFLOW_HOME"] = str(airflow_settings.HOME)
os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = airflow_settings.database("local.db")
atexit.register(shutil.rmtree, airflow_settings.HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def server() -> None:
    """The database."""
    from airflow.utils.session import create_session

    from scripts import local

    local.prepare()
    with create_session() as session:
        assert str(airflow_settings.HOME) in str(session.get_bind().engine.url)


@pytest.fixture(scope="session")
def adapter(server: None) -> Iterator[Any]:
    """What runs the DAG from the command line; its tasks are tried again without delay."""
    from dags.training import training_dag
    from scripts import local

    with pytest.MonkeyPatch.context() as patch:
        for task in training_dag.tasks:
            patch.setattr(task, "retry_delay", timedelta(0))
        local.alone(training_dag)
        yield local
