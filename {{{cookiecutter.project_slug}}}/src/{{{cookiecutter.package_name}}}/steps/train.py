"""Fit the model on the good months of the window."""

import io
import logging
from platform import python_version
from typing import TYPE_CHECKING

import cloudpickle
import polars as pl
import polars.selectors as cs
from pydantic import BaseModel

from .. import tracking
from ..model import build_model
from ..plan import read_plan
from ..workspace import (
    Run,
    Workspace,
    read_json,
    read_parquet,
    write,
    write_json,
)
from .features import LABEL
from .validate import Quality
from .version import DataVersion

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

SIGNATURE_ROWS = 1000


class Training(BaseModel):
    """What was fitted, and where the tracker has it."""

    months: list[str]
    rows: int
    model_uri: str
    tracker_id: str
    python: str
    """The version of Python that the model was made under, and can be loaded with."""


def train(run: Run) -> Training:
    """Fit the model, seeded, and log it with parameters and versions to the tracker.

    Writes `model.pkl` and `training.json`.
    """
    workspace, plan = Workspace(run), read_plan(run)
    params = plan.params
    months = read_json(workspace.quality, Quality).window
    table = pl.concat([read_parquet(workspace.features(month)) for month in months])
    model = build_model(params.train, params.seed)
    model.fit(table.drop(LABEL), table[LABEL].to_numpy())
    log.info("train: fitted on %d rows of %s", table.height, ", ".join(months))
    with tracking.tracked(run, params.model_name) as tracker_id:
        data_version = read_json(workspace.version, DataVersion).data_version
        tracking.log_training(
            params=params.train.model_dump() | {"seed": params.seed, "window": ", ".join(months)},
            tags={"data_version": data_version, "code_version": plan.code_version},
        )
        model_uri = tracking.log_model(model, _as_served(table.head(SIGNATURE_ROWS)))
    pickled = io.BytesIO()
    cloudpickle.dump(model, pickled)
    write(workspace.model, pickled.getvalue())
    training = Training(
        months=months,
        rows=table.height,
        model_uri=model_uri,
        tracker_id=tracker_id,
        python=python_version(),
    )
    write_json(workspace.training, training)
    return training


def _as_served(table: pl.DataFrame) -> "pd.DataFrame":
    """Return the inputs as a server takes them: no UTC hours, and numbers that may be missing."""
    inputs = table.drop(LABEL, cs.datetime())
    return inputs.with_columns(cs.integer().cast(pl.Float64)).to_pandas()
