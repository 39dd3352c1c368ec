"""MLflow as the tests have it: a project's own database, read with MLflow's client."""

from pathlib import Path

import mlflow
import pytest

from {{{ cookiecutter.package_name }}}.runtime.registry.mlflow_client import mlflow_client

from .logged import Logged

VERSIONS = ("", "1", "2", "3")
"""What the registry calls the first version, the second and so on."""
HAS_PAGE = True
"""Whether a run of the tests has a page."""


def point(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let runs be logged to the database of a project."""
    patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")


def prepare() -> None:
    """Create the database."""
    mlflow_client()


def break_down(patch: pytest.MonkeyPatch) -> str:
    """Let neither tracker nor registry answer; return what an error has to name."""
    patch.setenv("MLFLOW_TRACKING_URI", "http://ada:hunter2@127.0.0.1:9")
    patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return "127.0.0.1"


def runs(model_name: str) -> list[str]:
    """Return the ids of all runs for a model."""
    found = mlflow.search_runs(experiment_names=[model_name], output_format="list")
    return [run.info.run_id for run in found]


def logged(tracker_id: str) -> Logged:
    """Return what a run logged."""
    run = mlflow.get_run(tracker_id)
    files = mlflow.MlflowClient().list_artifacts(tracker_id)
    curves = mlflow.MlflowClient().list_artifacts(tracker_id, "curves")
    page = any(file.path == "report.html" for file in files)
    return Logged(
        params=run.data.params,
        tags=run.data.tags,
        metrics=run.data.metrics,
        curves={Path(curve.path).stem for curve in curves},
        report=mlflow.artifacts.load_text(f"{run.info.artifact_uri}/report.html") if page else "",
    )
