"""Nothing known only after departure reaches the model, and nothing outside the window is fitted.

The flights of the period are what a model is judged on: what it learns may not depend on them.
"""

import pickle

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from {{{ cookiecutter.package_name }}}.contract import (
    FLIGHT_KEY,
    KNOWN_AFTER_DEPARTURE,
)
from {{{ cookiecutter.package_name }}}.model import (
    CATEGORICAL,
    NUMERIC,
    build_model,
    derive,
    probability,
)
from {{{ cookiecutter.package_name }}}.steps import evaluate, features
from {{{ cookiecutter.package_name }}}.workspace import (
    Run,
    Workspace,
    read_json,
    read_parquet,
)

from .conftest import Project

PERIOD = "2013-05"
WINDOW = ("2013-02", "2013-03", "2013-04")
Scores = np.ndarray[tuple[int], np.dtype[np.float64]]


def joined(run: Run, month: str = PERIOD) -> pl.DataFrame:
    return read_parquet(Workspace(run).features(month))


def scored(run: Run, table: pl.DataFrame) -> Scores:
    model = pickle.loads(Workspace(run).model.read_bytes())  # noqa: S301
    return probability(model, table)


def permuted(rows: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Give every row the values of another, in these columns."""
    other = rows.select(columns).sample(fraction=1, shuffle=True, seed=1)
    return rows.with_columns(other)


def test_what_is_known_after_departure_is_named() -> None:
    named = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}
    assert named == set(KNOWN_AFTER_DEPARTURE)


def test_no_column_known_after_departure_is_in_the_features_table(project: Project) -> None:
    columns = set(joined(project.work(PERIOD, last="features")).columns)
    assert not columns & set(KNOWN_AFTER_DEPARTURE)
    assert columns >= {"late", *FLIGHT_KEY}


def test_the_model_reads_what_is_derived_and_never_the_label(project: Project) -> None:
    run = project.work(PERIOD, last="features")
    table = joined(run)
    assert not {*CATEGORICAL, *NUMERIC} & {*KNOWN_AFTER_DEPARTURE, features.LABEL}
    model = build_model(project.params.train, seed=1)
    model.fit(table.drop("late"), table["late"].to_numpy())
    assert list(model[-2].get_feature_names_out()) == [*CATEGORICAL, *NUMERIC]
    # Nor by another name: a label in the table changes nothing of what is derived from it.
    without = derive(table.drop("late"))
    assert_frame_equal(derive(table), without)
    assert_frame_equal(derive(table.with_columns(late=~pl.col("late"))), without)


def test_no_feature_gives_the_outcome_away(project: Project) -> None:
    """A number that tells late from punctual all by itself was not known before departure."""
    table = joined(project.work(PERIOD, last="features"))
    numbers = derive(table)
    late = table["late"].to_numpy()
    for name in NUMERIC:
        ranks = numbers[name].rank().fill_null(0) / table.height
        auc = evaluate.measure(late, np.clip(ranks.to_numpy(), 0, 1))["auc"]
        assert 0.2 < auc < 0.8, name


def test_outcomes_of_the_period_do_not_change_its_probabilities(project: Project) -> None:
    before = project.work(PERIOD, last="train")
    project.deliver("flights", PERIOD, lambda rows: permuted(rows, *KNOWN_AFTER_DEPARTURE))
    after = project.work(PERIOD, last="train")
    assert before.run_id != after.run_id
    # Which flights were cancelled is an outcome too: compare those that arrived both times.
    key = list(FLIGHT_KEY)
    first, second = (
        joined(run).with_columns(probability=pl.Series(scored(run, joined(run).drop("late"))))
        for run in (before, after)
    )
    both = first.join(second, on=key, suffix="_after")
    assert both.height > 3000
    assert (both["late"] != both["late_after"]).sum() > 500
    np.testing.assert_array_equal(both["probability"], both["probability_after"])


def test_values_of_the_period_do_not_change_the_model(project: Project) -> None:
    before = project.work(PERIOD, last="train")
    project.deliver(
        "flights", PERIOD, lambda rows: permuted(rows, "dest", "distance", "tailnum", "arr_delay")
    )
    project.deliver("weather", PERIOD, lambda rows: permuted(rows, "temp", "wind_speed"))
    after = project.work(PERIOD, last="train")
    assert not joined(before).equals(joined(after))
    table = joined(before).drop("late")
    np.testing.assert_array_equal(scored(before, table), scored(after, table))


def test_values_of_the_window_do_change_the_model(project: Project) -> None:
    """The test above could not fail if nothing ever changed the model."""
    before = project.work(PERIOD, last="train")
    project.deliver("flights", WINDOW[-1], lambda rows: permuted(rows, "arr_delay"))
    after = project.work(PERIOD, last="train")
    table = joined(before).drop("late")
    assert np.abs(scored(before, table) - scored(after, table)).max() > 0.01


@pytest.mark.parametrize("table", ["flights", "weather"])
def test_the_features_of_a_month_do_not_depend_on_other_months(
    project: Project, table: str
) -> None:
    before = project.work(PERIOD, last="features")
    column = {"flights": "dest", "weather": "temp"}[table]
    for month in (PERIOD, *WINDOW[:-1]):
        project.deliver(table, month, lambda rows: permuted(rows, column))
    after = project.work(PERIOD, last="features")
    assert not joined(before).equals(joined(after))
    assert_frame_equal(joined(before, WINDOW[-1]), joined(after, WINDOW[-1]))


def test_the_features_of_a_flight_do_not_depend_on_other_flights(project: Project) -> None:
    """Nothing is fitted before `train`: each row stands for itself."""
    run = project.work(PERIOD, last="features")
    table = joined(run)
    assert_frame_equal(derive(table.head(10)), derive(table).head(10))
    project.deliver("flights", PERIOD, lambda rows: rows.gather_every(2))
    half = joined(project.work(PERIOD, last="features"))
    assert 1000 < half.height < table.height
    assert_frame_equal(half, table.join(half, on=FLIGHT_KEY, how="semi"), check_row_order=False)


def test_the_champion_is_never_compared_on_what_it_was_trained_on(project: Project) -> None:
    project.work("2013-06")  # trained on 2013-03 to 2013-05
    run = project.work(PERIOD, last="evaluate")
    evaluation = read_json(Workspace(run).evaluation, evaluate.Evaluation)
    assert evaluation.champion is not None
    assert evaluation.champion_metrics is None
    assert not evaluation.release
