"""Metrics, curves and the release rule."""

import numpy as np
import pytest

from {{{ cookiecutter.package_name }}} import evaluation
from {{{ cookiecutter.package_name }}}.evaluation import (
    HEADLINE,
    POINTS_IN_CURVE,
    curves,
    decide,
    measure,
)
from {{{ cookiecutter.package_name }}}.params import EvaluateParams

LIMITS = EvaluateParams(floor=0.6, min_gain=0.01)

CHANCE = np.random.default_rng(1)
LABELS = CHANCE.random(2000) < 0.2
GUESSES = np.clip(0.2 + 0.2 * LABELS + CHANCE.normal(0, 0.1, LABELS.size), 0.01, 0.99)


def test_metrics_of_perfect_and_of_useless_predictions() -> None:
    perfect = measure(LABELS, np.where(LABELS, 0.999, 0.001))
    useless = measure(LABELS, np.full(LABELS.size, 0.2))
    assert (perfect["auc"], useless["auc"]) == (1.0, 0.5)
    assert perfect["average_precision"] == 1.0
    assert perfect["log_loss"] < useless["log_loss"]
    assert perfect["brier"] < useless["brier"]


@pytest.mark.parametrize("label", [True, False])
def test_where_all_labels_are_alike_there_are_no_metrics(label: bool) -> None:
    assert measure(np.full(10, label), np.full(10, 0.5)) == {}


def test_curves() -> None:
    found = curves(LABELS, GUESSES)
    assert {name: points.columns[:2] for name, points in found.items()} == {
        "roc": ["false_positive_rate", "true_positive_rate"],
        "precision_recall": ["recall", "precision"],
        "calibration": ["predicted", "observed"],
    }
    for points in found.values():
        assert 2 <= points.height <= POINTS_IN_CURVE
        assert np.isfinite(points.to_numpy()).all()
    assert found["calibration"].height == 10
    assert found["roc"].row(0)[:2] == (0, 0)
    assert found["roc"].row(-1)[:2] == (1, 1)


@pytest.mark.parametrize(
    ("auc", "champion", "released", "why"),
    [
        (0.59, None, False, "AUC 0.5900 is worse than the floor of 0.6000"),
        (0.59, 0.5, False, "AUC 0.5900 is worse than the floor of 0.6000"),
        (float("nan"), None, False, "AUC nan is worse than the floor of 0.6000"),
        (0.60, None, True, "AUC 0.6000 reaches the floor of 0.6000"),
        (0.72, 0.70, True, "better than the champion: AUC 0.7200 against 0.7000"),
        (0.709, 0.70, False, "not better than the champion by more than 0.01: AUC 0.7090 against"),
        (0.69, 0.70, False, "AUC 0.6900 against 0.7000"),
    ],
)
def test_the_decision(auc: float, champion: float | None, released: bool, why: str) -> None:
    before = None if champion is None else {HEADLINE: champion}
    decision, reason = decide(LIMITS, {HEADLINE: auc}, before)
    assert decision is released
    assert why in reason


def test_the_decision_where_lower_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "HIGHER_IS_BETTER", False)
    limits = EvaluateParams(floor=0.6, min_gain=0.0)
    assert decide(limits, {HEADLINE: 0.5}, None) == (
        True,
        "AUC 0.5000 is within the limit of 0.6000",
    )
    assert decide(limits, {HEADLINE: 0.7}, None) == (
        False,
        "AUC 0.7000 is worse than the limit of 0.6000",
    )
    assert decide(limits, {HEADLINE: 0.5}, {HEADLINE: 0.55})[0]


def test_any_gain_is_enough_where_none_is_asked_for() -> None:
    limits = EvaluateParams(floor=0.6, min_gain=0.0)
    assert decide(limits, {HEADLINE: 0.7001}, {HEADLINE: 0.70})[0]
    assert decide(limits, {HEADLINE: 0.70}, {HEADLINE: 0.70}) == (
        False,
        "not better than the champion: AUC 0.7000 against 0.7000",
    )
