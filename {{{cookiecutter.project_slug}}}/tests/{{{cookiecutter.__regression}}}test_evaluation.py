"""Metrics, curves and the release rule."""

import numpy as np
import pytest

from {{{ cookiecutter.package_name }}}.evaluation import (
    HEADLINE,
    curves,
    decide,
    measure,
)
from {{{ cookiecutter.package_name }}}.params import EvaluateParams

LIMITS = EvaluateParams(floor=40, min_gain=1)

CHANCE = np.random.default_rng(1)
LABELS = CHANCE.exponential(30, 2000) - 15
GUESSES = LABELS + CHANCE.normal(0, 10, LABELS.size)


def test_metrics_of_perfect_and_of_useless_predictions() -> None:
    perfect, useless = measure(LABELS, LABELS), measure(LABELS, np.full(LABELS.size, LABELS.mean()))
    assert set(perfect.values()) == {0.0, 1.0}
    assert perfect["r2"] == 1.0
    assert useless["r2"] == pytest.approx(0.0)
    assert useless["mae"] < useless["rmse"] == pytest.approx(LABELS.std())


def test_metrics_of_a_known_error() -> None:
    errors = np.array([0.0, 1.0, -2.0, 3.0, -4.0, 5.0, -6.0, 7.0, -8.0, 9.0, -10.0])
    found = measure(np.zeros(11), errors)
    assert found["mae"] == 5.0
    assert found["rmse"] == pytest.approx(35**0.5)
    assert (found["error_of_half"], found["error_of_nine_tenths"]) == (5.0, 9.0)


def test_where_there_are_no_rows_there_are_no_metrics() -> None:
    assert measure(np.array([]), np.array([])) == {}


@pytest.mark.filterwarnings("error")
def test_one_row_has_no_explained_variance() -> None:
    found = measure(np.array([1.0]), np.array([2.0]))
    assert np.isnan(found.pop("r2"))
    assert set(found.values()) == {1.0}


def test_curves() -> None:
    found = curves(LABELS, GUESSES)
    assert {name: points.columns for name, points in found.items()} == {
        "predicted_actual": ["predicted", "actual"],
        "residuals": ["residual", "share"],
        "error_quantiles": ["share", "error"],
    }
    for points in found.values():
        assert np.isfinite(points.to_numpy()).all()
    assert found["predicted_actual"].height == 10
    assert found["predicted_actual"]["predicted"].is_sorted()
    assert found["residuals"]["share"].sum() == pytest.approx(1)
    errors = found["error_quantiles"]["error"]
    assert errors.is_sorted()
    assert errors[50] == pytest.approx(measure(LABELS, GUESSES)["error_of_half"])


def test_curves_of_a_few_rows() -> None:
    found = curves(LABELS[:3], GUESSES[:3])
    assert found["predicted_actual"].height == 3


@pytest.mark.parametrize(
    ("mae", "champion", "released", "why"),
    [
        (40.1, None, False, "MAE 40.1000 is worse than the limit of 40.0000"),
        (40.1, 50, False, "MAE 40.1000 is worse than the limit of 40.0000"),
        (float("nan"), None, False, "MAE nan is worse than the limit of 40.0000"),
        (40.0, None, True, "MAE 40.0000 is within the limit of 40.0000"),
        (28.0, 30.0, True, "better than the champion: MAE 28.0000 against 30.0000"),
        (29.5, 30.0, False, "not better than the champion by more than 1: MAE 29.5000 against"),
        (31.0, 30.0, False, "MAE 31.0000 against 30.0000"),
    ],
)
def test_the_decision(mae: float, champion: float | None, released: bool, why: str) -> None:
    before = None if champion is None else {HEADLINE: champion}
    decision, reason = decide(LIMITS, {HEADLINE: mae}, before)
    assert decision is released
    assert why in reason


def test_any_gain_is_enough_where_none_is_asked_for() -> None:
    limits = EvaluateParams(floor=40, min_gain=0.0)
    assert decide(limits, {HEADLINE: 29.999}, {HEADLINE: 30.0})[0]
    assert not decide(limits, {HEADLINE: 30.0}, {HEADLINE: 30.0})[0]
