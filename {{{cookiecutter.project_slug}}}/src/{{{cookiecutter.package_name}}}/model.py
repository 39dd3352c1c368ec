"""The model: from the joined table to the probability of being late.

Its first stages derive and encode the features, so a model takes the joined table as it is, and
last month's champion can still be scored after the features below have changed.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

from .params import TrainParams

if TYPE_CHECKING:
    import pandas as pd

Scores = np.ndarray[tuple[int], np.dtype[np.float64]]

CATEGORICAL = ("carrier", "origin", "dest")
NUMERIC = (
    "departure_minute",
    "arrival_minute",
    "weekday",
    "day",
    "distance",
    "plane_age",
    "seats",
    "dest_lat",
    "dest_lon",
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
)


def derive(table: "pl.DataFrame | pd.DataFrame") -> pl.DataFrame:
    """Return the features of each row, one column each, none fitted to data."""
    day = pl.date(*(pl.col(part).cast(pl.Int32) for part in ("year", "month", "day")))
    clock = {"departure_minute": "sched_dep_time", "arrival_minute": "sched_arr_time"}
    return (
        pl.DataFrame(table)
        .with_columns(
            day.dt.weekday().alias("weekday"),
            (pl.col("year") - pl.col("plane_year")).alias("plane_age"),
            # 1745 is a quarter to six
            *(
                (pl.col(time) // 100 * 60 + pl.col(time) % 100).alias(name)
                for name, time in clock.items()
            ),
        )
        .select(*CATEGORICAL, *NUMERIC)
    )


def build_model(params: TrainParams, seed: int) -> Pipeline:
    """Return the model, unfitted; the same parameters, seed and data give the same fitted model."""
    categories = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan
    )
    encode = make_column_transformer(
        (categories, list(CATEGORICAL)),
        ("passthrough", list(NUMERIC)),
        verbose_feature_names_out=False,
    )
    classify = HistGradientBoostingClassifier(
        **params.model_dump(),
        categorical_features=list(range(len(CATEGORICAL))),
        early_stopping=False,
        random_state=seed,
    )
    return Pipeline(
        [("derive", FunctionTransformer(derive)), ("encode", encode), ("classify", classify)]
    )


def probability(model: Any, table: pl.DataFrame) -> Scores:
    """Return, for each row of the joined table, the probability of being late, from 0 to 1."""
    positive: Scores = model.predict_proba(table)[:, 1]
    return positive
