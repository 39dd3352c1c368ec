"""The experiment tracker and model registry, behind a handful of functions: MLflow.

`MLFLOW_TRACKING_URI` in the environment names a server; without it, a SQLite file in the project.
The champion is the version that the registry's alias `champion` names, and `previous` the one
before it.
"""

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from platform import python_version
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

os.environ.setdefault("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # seconds, not minutes, to give up
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

import cloudpickle
import mlflow
import pandas as pd
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from upath import UPath

from .errors import BadInput
from .results import Champion
from .workspace import Run, locked

# It warns of every pickled model, and that an environment made by uv has no pip.
for chatty in ("mlflow.sklearn", "mlflow.utils.environment"):
    logging.getLogger(chatty).setLevel(logging.ERROR)

# A model takes its own code along, so that it still loads and scores after that code has changed.
cloudpickle.register_pickle_by_value(sys.modules[__package__])


ROLLED_BACK = "rolled_back"
_NEEDED = ("cloudpickle", "numpy", "pandas", "polars", "pyarrow", "scikit-learn")


def address() -> str:
    """Return where the tracker is, without a password."""
    return re.sub(r"//[^/@]*@", "//", mlflow.get_tracking_uri())


def is_there() -> bool:
    """Tell whether the tracker is a server, or a SQLite file that exists."""
    uri = mlflow.get_tracking_uri()
    return not uri.startswith("sqlite:") or _file_of(uri).exists()


def client() -> mlflow.MlflowClient:
    """Return what talks to the tracker; the first call makes the tables of a SQLite tracker."""
    _make_database(mlflow.get_tracking_uri())
    return mlflow.MlflowClient()


@contextmanager
def tracked(run: Run, model_name: str, known: str | None = None) -> Iterator[str]:
    """Open the tracker's run of `run`, made on first use, and yield the tracker's id of it.

    Args:
        run: the run.
        model_name: the experiment that it is of.
        known: the tracker's id of it, where a step has written it down; an experiment of DVC may
            have been trained under another run's id.
    """
    client()
    this = f"attributes.run_id = '{known}'" if known else f"tags.run_id = '{run.run_id}'"
    experiment = mlflow.set_experiment(model_name)
    mlflow.set_experiment_tag("mlflow.experimentKind", "custom_model_development")
    found = mlflow.search_runs(
        [experiment.experiment_id], filter_string=this, max_results=1, output_format="list"
    )
    if found:
        opened = mlflow.start_run(run_id=found[0].info.run_id)
    else:
        tags = {"run_id": run.run_id, "period": run.period}
        opened = mlflow.start_run(run_name=run.run_id, tags=tags)
    with opened:
        yield opened.info.run_id


def log_training(params: dict[str, Any], tags: dict[str, str]) -> None:
    """Log what a model is trained with to the open run."""
    mlflow.log_params(params)
    mlflow.set_tags(tags)


def log_metrics(metrics: dict[str, float], prefix: str = "") -> None:
    """Log metrics to the open run, their names behind `prefix`."""
    mlflow.log_metrics({f"{prefix}{name}": value for name, value in metrics.items()})


def log_report(status: str, html: str) -> None:
    """Log the outcome of the open run, and its page."""
    mlflow.set_tag("status", status)
    mlflow.log_text(html, "report.html")


def log_model(model: Any, sample: pd.DataFrame) -> str:
    """Log a fitted model to the open run and return its URI.

    Args:
        model: what `load_model` gives back.
        sample: inputs, some hundred rows; they give the signature, and the first an example.
    """
    logged = mlflow.sklearn.log_model(
        model,
        name="model",
        serialization_format="cloudpickle",
        signature=mlflow.models.infer_signature(sample, model.predict_proba(sample)),
        input_example=sample.head(5),
        pyfunc_predict_fn="predict_proba",
        pip_requirements=[f"{package}=={version(package)}" for package in _NEEDED],
    )
    return str(logged.model_uri)


def page_of(tracker_id: str) -> str | None:
    """Return the address of the tracker's page of a run, or None where the tracker has no pages.

    `MLFLOW_UI_URL` says where people reach the pages, where runs reach the server by another name.
    """
    scheme = urlsplit(address()).scheme
    if scheme.startswith("http"):
        server = os.environ.get("MLFLOW_UI_URL", address()).rstrip("/")
    elif scheme == "sqlite":
        server = f"http://127.0.0.1:{os.environ.get('MLFLOW_PORT', '5000')}"  # of `make ui`
    else:
        return None
    run = mlflow.get_run(tracker_id)
    return f"{server}/#/experiments/{run.info.experiment_id}/runs/{tracker_id}"


def champion(model_name: str) -> Champion | None:
    """Return the version in use, or None before the first release."""
    version = _aliased(model_name, "champion")
    return None if version is None else _described(version)


def registered_at(model_name: str, version: str) -> datetime:
    """Return when a version was registered, in UTC."""
    milliseconds = client().get_model_version(model_name, version).creation_timestamp
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def register(model_uri: str, model_name: str, tags: dict[str, str]) -> Champion:
    """Return the version of a logged model, registered on first use, with `tags` on it."""
    for registered in client().search_model_versions(f"name = '{model_name}'"):
        if registered.tags.get("run_id") == tags["run_id"]:
            return _described(registered)
    return _described(mlflow.register_model(model_uri, model_name, tags=tags))


def data_versions() -> dict[str, str]:
    """Return the data that the registered versions of all models were trained on, by run id."""
    found: dict[str, str] = {}
    page = None
    while page != "":
        versions = client().search_model_versions(page_token=page)
        for tags in (registered.tags for registered in versions):
            if "run_id" in tags and "data_version" in tags:
                found[tags["run_id"]] = tags["data_version"]
        page = versions.token or ""
    return found


def load_model(model_name: str, version: str) -> Any:
    """Load a registered version, through the registry.

    Raises:
        BadInput: it was made under another Python, whose compiled code would crash this one.
    """
    uri = f"models:/{model_name}/{version}"
    made = mlflow.models.get_model_info(uri).flavors["python_function"]["python_version"]
    what = f"Version {version} of {model_name}"
    check_python(made, what, "begin anew with another model_name in params.yaml")
    return mlflow.sklearn.load_model(uri)


def check_python(made: str, what: str, instead: str) -> None:
    """See that a model can be loaded here: its compiled code would crash another Python.

    Args:
        made: the version of Python under which it was made, such as 3.12.1.
        what: what it is called.
        instead: what to do, but for using that Python.

    Raises:
        BadInput: it was made under another one.
    """
    ours = python_version()
    if made.split(".")[:2] != ours.split(".")[:2]:
        raise BadInput(
            f"{what} was made under Python {made} and runs only there, not under {ours}: use that "
            f"Python, or {instead}."
        )


def promote(model_name: str, version: str) -> None:
    """Make `version` the champion, and the champion before it the previous one."""
    before = _aliased(model_name, "champion")
    if before is not None and before.version != version:
        client().set_registered_model_alias(model_name, "previous", before.version)
    client().set_registered_model_alias(model_name, "champion", version)


def rollback(model_name: str) -> tuple[Champion, Champion]:
    """Swap the champion and the previous version; return the champion before and after.

    The version taken back is marked, so that its run, started again, does not release it again.

    Raises:
        BadInput: there is no previous version.
    """
    before, after = _aliased(model_name, "champion"), _aliased(model_name, "previous")
    if before is None or after is None or before.version == after.version:
        raise BadInput(f"No version was champion before this one: {model_name} cannot roll back.")
    client().set_model_version_tag(model_name, before.version, ROLLED_BACK, "true")
    promote(model_name, after.version)
    if ROLLED_BACK in after.tags:
        client().delete_model_version_tag(model_name, after.version, ROLLED_BACK)
    return _described(before), _described(after)


def was_rolled_back(model_name: str, version: str) -> bool:
    """Tell whether `rollback` took this version back."""
    return ROLLED_BACK in client().get_model_version(model_name, version).tags


def _file_of(uri: str) -> UPath:
    """Return the file of a SQLite tracker."""
    return UPath(urlsplit(uri).path.removeprefix("/"))


@cache
def _make_database(uri: str) -> None:
    """Make the file of a SQLite tracker, whole or not at all: MLflow never opens one half made."""
    if not uri.startswith("sqlite:"):
        return
    file = _file_of(uri)
    lock = file.with_name(f"{file.name}.lock")
    with locked(lock, "the tracker is being set up by another process; waiting"):
        for left in file.parent.glob(f"{file.name}.*.part*"):  # of a process that was killed
            left.unlink()
        if not file.exists():
            part = file.with_name(f"{file.name}.{uuid4().hex[:8]}.part")
            mlflow.MlflowClient(f"sqlite:///{part}").search_experiments(max_results=1)
            part.replace(file)


def _aliased(model_name: str, alias: str) -> ModelVersion | None:
    try:
        return client().get_model_version_by_alias(model_name, alias)
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None  # no such model, or no such alias yet
        raise


def _described(version: ModelVersion) -> Champion:
    metrics = {
        name.removeprefix("metric."): float(value)
        for name, value in version.tags.items()
        if name.startswith("metric.")
    }
    return Champion(
        version=str(version.version),
        run_id=version.tags["run_id"],
        period=version.tags["period"],
        metrics=metrics,
    )
