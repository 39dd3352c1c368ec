"""What a run logs to MLflow."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..run import Run
from . import mlflow_registry
from .mlflow_client import address, answers, load_mlflow, mlflow_client

if TYPE_CHECKING:
    import polars as pl

NAME = "MLflow"

check = answers
log_model = mlflow_registry.log_model  # to the open run


@contextmanager
def open_run(run: Run, model_name: str, known: str | None = None) -> Iterator[str]:
    """Open MLflow's run of `run`, created on first use, and yield its id.

    That id is `known` once `train` has written it down{{{ ': an experiment of DVC may have been trained\n    under another run\'s id' if cookiecutter.versioning == 'dvc' else '' }}}.
    """
    mlflow_client()  # creates the database
    mlflow = load_mlflow()
    query = f"attributes.run_id = '{known}'" if known else f"tags.run_id = '{run.run_id}'"
    experiment = mlflow.set_experiment(model_name)
    mlflow.set_experiment_tag("mlflow.experimentKind", "custom_model_development")
    found = mlflow.search_runs(
        [experiment.experiment_id], filter_string=query, max_results=1, output_format="list"
    )
    if found:
        opened = mlflow.start_run(run_id=found[0].info.run_id)
    else:
        tags = {"run_id": run.run_id, "period": run.period}
        opened = mlflow.start_run(run_name=run.run_id, tags=tags)
    with opened:
        yield opened.info.run_id


def log_training(params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
    """Log the parameters of a training, and tags."""
    load_mlflow().log_params(params)
    load_mlflow().set_tags(tags)


def log_metrics(metrics: Mapping[str, float], prefix: str = "") -> None:
    """Log metrics, their names behind `prefix`."""
    load_mlflow().log_metrics({f"{prefix}{name}": value for name, value in metrics.items()})


def log_curves(curves: "Mapping[str, pl.DataFrame]") -> None:
    """Log the points of curves, as CSV."""
    for name, points in curves.items():
        load_mlflow().log_text(points.write_csv(), f"curves/{name}.csv")


def log_report(status: str, html: str) -> None:
    """Log how the run ended, and its report."""
    load_mlflow().set_tag("status", status)
    load_mlflow().log_text(html, "report.html")


def page_of(tracker_id: str) -> str | None:
    """Return the address of a run's page, None where MLflow has no pages.

    `MLFLOW_UI_URL` is the address for people, where runs reach the server by another name.
    """
    tracker = address()
    if tracker.startswith("http"):
        server = os.environ.get("MLFLOW_UI_URL", tracker).rstrip("/")
    elif tracker.startswith("sqlite:"):
        server = f"http://127.0.0.1:{os.environ.get('MLFLOW_PORT', '5000')}"  # of `make ui`
    else:
        return None
    run = load_mlflow().get_run(tracker_id)
    return f"{server}/#/experiments/{run.info.experiment_id}/runs/{tracker_id}"
