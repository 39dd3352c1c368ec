"""A ridge regression on weight, traffic and distance."""

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from .params import TrainParams

if TYPE_CHECKING:
    import pandas as pd

PREDICTION = "predicted"
PREDICT_METHOD = "predict"


def derive(rows: "pl.DataFrame | pd.DataFrame") -> pl.DataFrame:
    """Return one column for each feature."""
    return pl.DataFrame(rows).select(pl.col("weight", "density", "distance").fill_null(0))


def build_model(params: TrainParams, seed: int) -> Any:
    """Return the model, unfitted."""
    return make_pipeline(FunctionTransformer(derive), Ridge(alpha=params.alpha, random_state=seed))


def predict(model: Any, rows: pl.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the duration expected for each row."""
    return np.asarray(model.predict(rows), dtype=np.float64)
