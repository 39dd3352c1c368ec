"""What a run logs to Weights & Biases."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..run import Run
from . import mlflow_registry, wandb_client
from .pickling import dump_model
from .wandb_client import UPLOAD_PATIENCE, explained, load_wandb, opened

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

log = logging.getLogger(__name__)

NAME = "W&B"

check = wandb_client.check


@contextmanager
def open_run(run: Run, model_name: str, known: str | None = None) -> Iterator[str]:
    """Open W&B's run of `run`, created on first use, and yield its id: it is ours.

    It is `known` once `train` has written it down{{{ ': an experiment of DVC may have been trained\n    under another run\'s id' if cookiecutter.versioning == 'dvc' else '' }}}.
    """
    first = {} if known else {"run_id": run.run_id, "period": run.period}
    with opened(known or run.run_id, group=model_name, config=first) as ours:
        if ours.offline and not known:
            log.info("W&B: %s", wandb_client.where_offline())
        yield ours.id


def log_training(params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
    """Log the parameters of a training, and tags."""
    load_wandb().run.config.update({**params, **tags}, allow_val_change=True)


def log_model(model: Any, sample: "pd.DataFrame", predictions: Any, method: str) -> str:
    """Log a fitted model with some inputs and their predictions; return where MLflow has it."""
    wandb = load_wandb()
    artifact = wandb.Artifact(wandb.run.group, "model", metadata={"method": method})
    with artifact.new_file("model.pkl", mode="wb") as file:
        file.write(dump_model(model))
    with artifact.new_file("example.json") as file:
        example = sample.assign(prediction=list(predictions)).head(5)
        example.to_json(file, orient="records", date_format="iso")
    _store(artifact)
    return mlflow_registry.log_model(model, sample, predictions, method)


def log_metrics(metrics: Mapping[str, float], prefix: str = "") -> None:
    """Log metrics, their names behind `prefix`."""
    named = {f"{prefix}{name}": value for name, value in metrics.items()}
    load_wandb().run.summary.update(named)


def log_curves(curves: "Mapping[str, pl.DataFrame]") -> None:
    """Log curves as charts, each with a table of its points."""
    wandb = load_wandb()
    charts = {}
    for name, points in curves.items():
        table = wandb.Table(columns=points.columns, data=points.rows())
        x, y = points.columns[:2]
        charts[f"curves/{name}"] = wandb.plot.line(table, x, y, title=name)
    wandb.run.log(charts)


def log_report(status: str, html: str) -> None:
    """Log how the run ended, and its report."""
    wandb = load_wandb()
    wandb.run.summary["status"] = status
    artifact = wandb.Artifact("report", "report")
    with artifact.new_file("report.html", encoding="utf-8") as file:
        file.write(html)
    _store(artifact)


def page_of(tracker_id: str) -> str | None:
    """Return the address of the open run's page, None offline."""
    run = load_wandb().run
    return None if run is None or run.offline else str(run.url)


def _store(artifact: Any) -> None:
    """Log an artifact of the open run; the run's id is an alias of its version."""
    run = load_wandb().run
    logged = run.log_artifact(artifact, aliases=["latest", run.id])
    if run.offline:
        return
    try:
        logged.wait(timeout=int(UPLOAD_PATIENCE))
    except ValueError as error:  # what wandb-core was answered
        raise explained(error) from error
