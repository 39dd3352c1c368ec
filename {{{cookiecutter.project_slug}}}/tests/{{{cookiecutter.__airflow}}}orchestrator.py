"""The orchestrator as the tests have it: a home of its own, and no waiting between tries."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts import airflow_settings

# Airflow reads where its home is when it is imported.
airflow_settings.HOME = Path(tempfile.mkdtemp(prefix="airflow-"))
os.environ["AIRFLOW_HOME"] = str(airflow_settings.HOME)


@pytest.fixture(scope="session")
def server() -> Iterator[None]:
    """The home, for as long as the tests last."""
    yield
    shutil.rmtree(airflow_settings.HOME)


@pytest.fixture(scope="session")
def adapter(server: None) -> Iterator[Any]:
    """What runs the DAG from the command line; its tasks are tried again without delay."""
    from scripts import local

    local.prepare()
    from dags.training import training_dag

    with pytest.MonkeyPatch.context() as patch:
        for task in training_dag.tasks:
            patch.setattr(task, "retry_delay", timedelta(0))
        yield local
