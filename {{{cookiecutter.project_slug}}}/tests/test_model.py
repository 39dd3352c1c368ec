"""The model takes values that it has never seen, and rows in any number and form."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from {{{ cookiecutter.package_name }}}.features import LABEL
from {{{ cookiecutter.package_name }}}.model import (
    CATEGORICAL,
    NUMERIC,
    Scores,
    build_model,
    derive,
    predict,
)
from {{{ cookiecutter.package_name }}}.runtime.config import Params

KEPT = ("year", "month", "day")  # of every flight: without a date there is none
SEED = 1


def fitted(rows: pl.DataFrame, params: Params) -> Any:
    """Return a model that was fitted on rows."""
    return build_model(params.train, SEED).fit(rows.drop(LABEL), rows[LABEL].to_numpy())


@pytest.fixture(scope="module")
def model(rows: pl.DataFrame, params: Params) -> Any:
    """A model that was fitted on a period."""
    return fitted(rows, params)


@pytest.fixture(scope="module")
def inputs(rows: pl.DataFrame) -> pl.DataFrame:
    """Some rows without their label."""
    return rows.drop(LABEL).head(200)


def scored(model: Any, inputs: pl.DataFrame) -> Scores:
    scores = predict(model, inputs)
    assert scores.shape == (inputs.height,)
{% if cookiecutter.problem == "binary" %}
    assert ((scores > 0) & (scores < 1)).all()
{% else %}
    assert (np.abs(scores) < 24 * 60).all()
{% endif %}
    return scores


@pytest.mark.parametrize("day", [3, 31])
def test_derived_features(day: int) -> None:
    """June 31st counts as July 1st: the report shuffles days and leaves months."""
    flight = {"year": 2013, "month": 6, "day": day, "plane_year": 2001}
    times = {"sched_dep_time": 1745, "sched_arr_time": 5}
    rest = dict.fromkeys({*CATEGORICAL, *NUMERIC} - {"day"})
    row = derive(pl.DataFrame([rest | flight | times])).row(0, named=True)
    assert row["weekday"] == 1
    assert row["plane_age"] == 12
    assert row["departure_minute"] == 17 * 60 + 45
    assert row["arrival_minute"] == 5
    assert list(row) == [*CATEGORICAL, *NUMERIC]


def test_parameters_and_seed_reach_the_model(params: Params) -> None:
    wanted = params.train.model_dump() | {"random_state": SEED}
    assert wanted.items() <= build_model(params.train, SEED)[-1].get_params().items()


def test_the_same_rows_give_the_same_model(
    model: Any, rows: pl.DataFrame, inputs: pl.DataFrame, params: Params
) -> None:
    np.testing.assert_array_equal(scored(fitted(rows, params), inputs), scored(model, inputs))


@pytest.mark.parametrize("column", CATEGORICAL)
def test_a_category_never_seen_is_scored_as_a_missing_one(
    model: Any, inputs: pl.DataFrame, column: str
) -> None:
    never_seen = inputs.with_columns(pl.lit("new").alias(column))
    missing = inputs.with_columns(pl.lit(None, pl.String).alias(column))
    np.testing.assert_array_equal(scored(model, never_seen), scored(model, missing))


def test_every_value_may_be_missing(model: Any, inputs: pl.DataFrame) -> None:
    usual = scored(model, inputs)
    for column in set(inputs.columns) - set(KEPT):
        scored(model, inputs.with_columns(pl.lit(None, inputs.schema[column]).alias(column)))
    nothing = inputs.select(
        column if column in KEPT else pl.lit(None, dtype).alias(column)
        for column, dtype in inputs.schema.items()
    )
    assert np.abs(scored(model, nothing) - usual).max() > 0.01


def test_a_row_is_scored_alone_as_among_others(model: Any, inputs: pl.DataFrame) -> None:
    alone = [scored(model, inputs[row])[0] for row in range(5)]
    np.testing.assert_array_equal(alone, scored(model, inputs)[:5])


def test_pandas_rows_are_scored_as_well(model: Any, inputs: pl.DataFrame) -> None:
    """So a server of models sends them."""
{% if cookiecutter.problem == "binary" %}
    scores = model.predict_proba(inputs.to_pandas())[:, 1]
{% else %}
    scores = model.predict(inputs.to_pandas())
{% endif %}
    np.testing.assert_allclose(scores, scored(model, inputs), rtol=0, atol=1e-12)
