"""The model: from the rows of `features.join` to the {{{ 'probability of being late' if cookiecutter.problem == 'binary' else 'minutes of delay' }}}.

Its first stages derive and encode columns. So a model takes these rows unchanged, and an earlier
champion still scores them after this file has changed.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from sklearn.compose import make_column_transformer
{% if cookiecutter.problem == "binary" %}
from sklearn.ensemble import HistGradientBoostingClassifier
{% else %}
from sklearn.ensemble import HistGradientBoostingRegressor
{% endif %}
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

from .params import TrainParams
from .tables import MEASUREMENTS

if TYPE_CHECKING:
    import pandas as pd

Scores = np.ndarray[tuple[int], np.dtype[np.float64]]

{% if cookiecutter.problem == "binary" %}
PREDICTION = "probability"
"""What a prediction is called."""

PREDICT_METHOD = "predict_proba"
{% else %}
PREDICTION = "minutes"
"""What a prediction is called."""

PREDICT_METHOD = "predict"
{% endif %}
"""The method of the estimator that a model server calls."""

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
    *MEASUREMENTS,
)


def derive(rows: "pl.DataFrame | pd.DataFrame") -> pl.DataFrame:
    """Return one column for each feature; none is fitted to data."""
    # Counted from the first of the month: the report shuffles one column, and makes a June 31st.
    first = pl.date(pl.col("year").cast(pl.Int32), pl.col("month").cast(pl.Int32), 1)
    day = first + pl.duration(days=pl.col("day").cast(pl.Int64) - 1)
    clock = {"departure_minute": "sched_dep_time", "arrival_minute": "sched_arr_time"}
    return (
        pl.DataFrame(rows)
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
{% if cookiecutter.problem == "binary" %}
    fit = HistGradientBoostingClassifier(
        **params.model_dump(),
        categorical_features=list(range(len(CATEGORICAL))),
        early_stopping=False,
        random_state=seed,
    )
{% else %}
    fit = HistGradientBoostingRegressor(
        **params.model_dump(),
        loss="absolute_error",  # what HEADLINE measures
        categorical_features=list(range(len(CATEGORICAL))),
        early_stopping=False,
        random_state=seed,
    )
{% endif %}
    return Pipeline([("derive", FunctionTransformer(derive)), ("encode", encode), ("fit", fit)])


def predict(model: Any, rows: pl.DataFrame) -> Scores:
{% if cookiecutter.problem == "binary" %}
    """Return the probability of being late, from 0 to 1, of each row of `features.join`."""
    positive: Scores = model.predict_proba(rows)[:, 1]
    return positive
{% else %}
    """Return the minutes of delay of each row of `features.join`."""
    minutes: Scores = model.predict(rows)
    return minutes
{% endif %}
