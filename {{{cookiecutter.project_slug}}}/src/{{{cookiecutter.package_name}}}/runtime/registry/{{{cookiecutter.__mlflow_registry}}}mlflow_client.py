"""How MLflow is reached.

`MLFLOW_TRACKING_URI` in the environment names a server; without it, a SQLite file in the project.
"""

import logging
import os
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from upath import UPath

from ..errors import redact
from ..files import locked

_DEFAULTS = {
    "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # gives up after seconds, not minutes
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@cache
def load_mlflow() -> Any:
    """Return the module `mlflow`, imported with the project's defaults for its variables."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    import mlflow

    # It warns of every pickled model, and that an environment made by uv has no pip.
    for verbose in ("mlflow.sklearn", "mlflow.utils.environment"):
        logging.getLogger(verbose).setLevel(logging.ERROR)
    return mlflow


def address() -> str:
    """Return where the tracker is, without a password."""
    return redact(load_mlflow().get_tracking_uri())


def exists() -> bool:
    """Return whether the tracker is a server, or a SQLite file that exists."""
    file = _file_of(load_mlflow().get_tracking_uri())
    return file is None or file.exists()


def mlflow_client() -> Any:
    """Return MLflow's client; the first call creates the tables of a SQLite tracker."""
    _create_database(load_mlflow().get_tracking_uri())
    return load_mlflow().MlflowClient()


def _file_of(uri: str) -> UPath | None:
    """Return the file of a SQLite tracker, None where it is a server."""
    address = urlsplit(uri)
    return UPath(address.path.removeprefix("/")) if address.scheme == "sqlite" else None


@cache
def _create_database(uri: str) -> None:
    """Create the file of a SQLite tracker, whole or not at all: MLflow never opens half of one."""
    file = _file_of(uri)
    if file is None:
        return
    lock = file.with_name(f"{file.name}.lock")
    with locked(lock, "waiting for another process that creates the tracker's database"):
        for part in file.parent.glob(f"{file.name}.*.part*"):  # of a process that was killed
            part.unlink()
        if not file.exists():
            part = file.with_name(f"{file.name}.{uuid4().hex[:8]}.part")
            load_mlflow().MlflowClient(f"sqlite:///{part}").search_experiments(max_results=1)
            part.replace(file)
