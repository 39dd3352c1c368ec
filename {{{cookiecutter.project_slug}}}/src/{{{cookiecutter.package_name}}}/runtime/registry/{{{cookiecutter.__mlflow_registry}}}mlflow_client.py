"""How MLflow is reached.

`MLFLOW_TRACKING_URI` in the environment names a server; without it, a SQLite file in the project.
"""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from math import ceil
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from upath import UPath

from ..errors import Unavailable, one_line, redact
from ..files import in_time, locked

_DEFAULTS = {
    "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # gives up after seconds, not minutes
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

_OF_OTHERS = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME")
"""What a program sets for those that it starts: its runs are not ours."""

PATIENCE = 20.0
"""Seconds in which a server must answer."""

_REASONS = {
    "ProxyError|SOCKS": "as the proxy does not lead there",
    "Connection refused": "as nothing listens there",
    "NameResolution|[Nn]ame or service|getaddrinfo": "as nothing is known by that name",
    "timed out|did not answer": "as no answer came in time",
    "CERTIFICATE|SSL": "as its certificate is not trusted, or it does not speak https",
    r"\b40[13]\b": "as it refuses us (set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
    "or MLFLOW_TRACKING_TOKEN)",
    r"\b50\d\b": "as it fails (its log says why)",
    r"JSON|\b404\b": "as another server answers there",
}
"""What an error of MLflow's client means, by what stands in it."""


@cache
def load_mlflow() -> Any:
    """Return the module `mlflow`, imported with the project's defaults for its variables."""
    for name, value in _DEFAULTS.items():
        os.environ[name] = os.environ.get(name) or value
    for name in _OF_OTHERS:
        os.environ.pop(name, None)
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


def answers() -> str:
    """Return where MLflow is, in a clause that says that it works. A file is not opened.

    Raises:
        Unavailable: its server does not answer in `PATIENCE` seconds, or refuses.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or _DEFAULTS["MLFLOW_TRACKING_URI"]
    registry = os.environ.get("MLFLOW_REGISTRY_URI")  # where that is another server
    if (file := _file_of(uri)) is not None and not registry:
        return f"{uri} is {'there' if file.exists() else 'created by the first run'}"
    load_mlflow()  # which takes seconds
    try:
        with _hurried():
            in_time(PATIENCE, _ask, f"{address()} did not answer in {PATIENCE:g} s")
    except Exception as error:
        text = " ".join(str(error).split())
        reason = next((why for sign, why in _REASONS.items() if re.search(sign, text)), None)
        where = f"{address()}, with its registry at {redact(registry)}," if registry else address()
        also = " or MLFLOW_REGISTRY_URI" if registry else ""
        raise Unavailable(
            f"MLflow at {where} cannot be used, {reason or one_line(error)}: start it, or "
            f"correct MLFLOW_TRACKING_URI{also}."
        ) from error
    return f"{address()} answers"


def _ask() -> None:
    mlflow_client().search_experiments(max_results=1)
    mlflow_client().search_registered_models(max_results=1)


@contextmanager
def _hurried() -> Iterator[None]:
    """Let MLflow's client give up soon."""
    soon = {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(ceil(PATIENCE)),
    }
    before = {name: os.environ.get(name) for name in soon}
    os.environ |= soon
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            os.environ |= {} if value is None else {name: value}


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
