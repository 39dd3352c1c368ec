"""What a run logs to trackio."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..run import Run
from . import trackio_client
from .pickling import dump_model
from .trackio_client import NAME as PROJECT
from .trackio_client import STEP, load_trackio, opened

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

NAME = "trackio"

check = trackio_client.check


@contextmanager
def open_run(run: Run, model_name: str, known: str | None = None) -> Iterator[str]:
    """Open trackio's run of `run`, created on first use, and yield its name.

    It is `known` once `train` has written it down{{{ ': an experiment of DVC may have been trained\n    under another run\'s id' if cookiecutter.versioning == 'dvc' else '' }}}.
    """
    with opened(known or run.run_id) as ours:
        if not known:
            ours.config.update(run_id=run.run_id, period=run.period, model=model_name)
        yield ours.name


def log_training(params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
    """Log the parameters of a training, and tags."""
    _add(**params, **tags)


def log_model(model: Any, sample: "pd.DataFrame", predictions: Any, method: str) -> str:
    """Log a fitted model with some inputs and their predictions, and return its address."""
    trackio = load_trackio()
    artifact = trackio.Artifact("candidate", "model", metadata={"method": method})
    with TemporaryDirectory() as made:
        (Path(made) / "model.pkl").write_bytes(dump_model(model))
        sample.assign(prediction=list(predictions)).head(5).to_json(
            Path(made) / "example.json", orient="records", date_format="iso"
        )
        artifact.add_dir(made)
        return str(trackio.log_artifact(artifact).qualified_name)


def log_metrics(metrics: Mapping[str, float], prefix: str = "") -> None:
    """Log metrics, their names behind `prefix`."""
    if metrics:
        load_trackio().log({f"{prefix}{name}": value for name, value in metrics.items()}, STEP)


def log_curves(curves: "Mapping[str, pl.DataFrame]") -> None:
    """Log the points of curves as tables."""
    trackio = load_trackio()
    for name, points in curves.items():
        trackio.log({f"curves/{name}": trackio.Table(data=points.to_dicts())}, STEP)


def log_report(status: str, html: str) -> None:
    """Log how the run ended, and its report."""
    trackio = load_trackio()
    _add(status=status)
    trackio.log({"report": trackio.Html(html)}, STEP)


def page_of(tracker_id: str) -> str:
    """Return the address of a run's page.

    `TRACKIO_UI_URL` is the address for people; by default, it is that of `make ui`.
    """
    local = f"http://127.0.0.1:{os.environ.get('TRACKIO_PORT', '7860')}"
    server = os.environ.get("TRACKIO_UI_URL", local).rstrip("/")
    return f"{server}/run?project={quote(PROJECT)}&selected_run={quote(tracker_id)}"


def _add(**values: Any) -> None:
    """Add values to the parameters of the open run."""
    load_trackio().config.update({name: str(value) for name, value in values.items()})
