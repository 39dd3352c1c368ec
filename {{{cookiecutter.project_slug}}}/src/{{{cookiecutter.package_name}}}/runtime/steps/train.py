"""Fit the model on the good periods of the window."""

import logging
from platform import python_version
from typing import TYPE_CHECKING, Any

import polars as pl
import polars.selectors as cs

from .. import room
from ..errors import BadInput, one_line
from ..files import read_json, read_parquet, write, write_json
from ..registry import tracker
from ..registry.pickling import dump_model
from ..results import Quality, Snapshot, Training
from ..run import Run, RunDir, read_plan

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

SIGNATURE_ROWS = 1000


def train(run: Run) -> Training:
    """Fit the model, seeded, and log it with parameters and versions to the tracker.

    Writes `model.pkl` and `training.json`.

    Raises:
        BadInput: the fitted model cannot score rows as a model server passes them.
    """
    run_dir, plan = RunDir(run), read_plan(run)
    params, label = plan.params, room.features().LABEL
    quality = read_json(run_dir.quality, Quality)
    periods = quality.window
    rows = pl.concat([read_parquet(run_dir.features(period)) for period in periods])
    room.check_slices(rows.columns)  # of periods that earlier runs prepared, nobody did
    model = room.model().build_model(params.train, params.seed)
    model.fit(rows.drop(label), rows[label].to_numpy())
    log.info("train: fitted on %d rows of %s", rows.height, quality.window_in_words)
    logged = log_training(run, model, rows.drop(label))
    write(run_dir.model, dump_model(model))
    training = Training(periods=periods, rows=rows.height, python=python_version(), **logged)
    write_json(run_dir.training, training)
    return training


def log_training(run: Run, model: Any, inputs: pl.DataFrame) -> dict[str, str | None]:
    """Log a fitted model with parameters and versions; return where the tracker has it.

    Some of the inputs are its example. What is returned are fields of `Training`.
    """
    run_dir, plan = RunDir(run), read_plan(run)
    window = read_json(run_dir.quality, Quality).window_in_words
    data_version = read_json(run_dir.snapshot, Snapshot).data_version
    with tracker.open_run(run, plan.params.model_name) as tracker_id:
        tracker.log_training(
            params=plan.params.train.model_dump() | {"seed": plan.params.seed, "window": window},
            tags={"data_version": data_version, "code_version": plan.code_version},
        )
        sample = _as_served(inputs.head(SIGNATURE_ROWS))
        method = room.model().PREDICT_METHOD
        model_uri = tracker.log_model(model, sample, _served(model, method, sample), method)
        tracker_url = tracker.page_of(tracker_id)
    return {"model_uri": model_uri, "tracker_id": tracker_id, "tracker_url": tracker_url}


def _as_served(inputs: pl.DataFrame) -> "pd.DataFrame":
    """Return inputs as a server passes them: times in UTC without a zone, integers as floats."""
    moments = cs.datetime(time_zone="*").dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return inputs.with_columns(moments, cs.integer().cast(pl.Float64)).to_pandas()


def _served(model: Any, method: str, sample: "pd.DataFrame") -> Any:
    """Return what a server that loads the model would answer."""
    try:
        return getattr(model, method)(sample)
    except MemoryError:
        raise
    except Exception as error:
        raise BadInput(
            f"The model's `{method}` cannot score rows as a model server passes them ("
            f"{one_line(error)}): let the first stage of `build_model` in model.py accept a pandas "
            "frame with times in UTC without a zone, and integers as floats."
        ) from error
