"""The experiment tracker: what a run logs to MLflow."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ..run import Run
from .client import address, load_mlflow, mlflow_client
from .pickling import with_own_code

if TYPE_CHECKING:
    import pandas as pd

_NEEDED = ("cloudpickle", "numpy", "pandas", "polars", "pyarrow", "scikit-learn")
"""What a model server installs."""


@contextmanager
def tracked(run: Run, model_name: str, known: str | None = None) -> Iterator[str]:
    """Open the tracker's run of `run`, created on first use, and yield the tracker's id of it.

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


def log_training(params: dict[str, Any], tags: dict[str, str]) -> None:
    """Log the parameters of a training, and tags, to the open run."""
    load_mlflow().log_params(params)
    load_mlflow().set_tags(tags)


def log_metrics(metrics: dict[str, float], prefix: str = "") -> None:
    """Log metrics to the open run, their names behind `prefix`."""
    load_mlflow().log_metrics({f"{prefix}{name}": value for name, value in metrics.items()})


def log_report(status: str, html: str) -> None:
    """Log the outcome of the open run, and its report."""
    load_mlflow().set_tag("status", status)
    load_mlflow().log_text(html, "report.html")


def log_model(model: Any, sample: "pd.DataFrame", predictions: Any, method: str) -> str:
    """Log a fitted model, whose `method` a server calls, to the open run and return its URI.

    Some hundred inputs and their predictions give the signature; the first input is its example.
    """
    mlflow = load_mlflow()
    with with_own_code():
        logged = mlflow.sklearn.log_model(
            model,
            name="model",
            serialization_format="cloudpickle",
            signature=mlflow.models.infer_signature(sample, predictions),
            input_example=sample.head(5),
            pyfunc_predict_fn=method,
            pip_requirements=[f"{package}=={version(package)}" for package in _NEEDED],
        )
    return str(logged.model_uri)


def page_of(tracker_id: str) -> str | None:
    """Return the address of the tracker's page of a run, or None where the tracker has no pages.

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
