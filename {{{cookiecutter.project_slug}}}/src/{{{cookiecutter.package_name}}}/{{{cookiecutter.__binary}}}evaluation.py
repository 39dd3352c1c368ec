"""What counts as a better model: metrics, the headline among them, slices, and the release rule."""

import numpy as np
import polars as pl

from .params import EvaluateParams

HEADLINE = "auc"
"""The metric of `measure` that decides about releases."""
HEADLINE_LABEL = "AUC"
HIGHER_IS_BETTER = True

SLICES: tuple[str, ...] = ("carrier", "origin")
"""Columns of the rows: each of their larger values is evaluated on its own."""

Labels = np.ndarray[tuple[int], np.dtype[np.bool_]]
Scores = np.ndarray[tuple[int], np.dtype[np.float64]]


POINTS_IN_CURVE = 300


def measure(labels: Labels, predictions: Scores) -> dict[str, float]:
    """Return the metrics of predicted probabilities against labels.

    Returns:
        `auc` (area under the ROC curve) and `average_precision`, higher is better; `log_loss` and
        `brier` (mean squared error), lower is better. Nothing where all labels are alike.
    """
    from sklearn import metrics  # slow to import, and only needed here

    if labels.all() or not labels.any():
        return {}
    return {
        "auc": float(metrics.roc_auc_score(labels, predictions)),
        "average_precision": float(metrics.average_precision_score(labels, predictions)),
        "log_loss": float(metrics.log_loss(labels, predictions)),
        "brier": float(metrics.brier_score_loss(labels, predictions)),
    }


def curves(labels: Labels, predictions: Scores) -> dict[str, pl.DataFrame]:
    """Return curves, thinned to what a plot shows: the first column is x, the second y.

    Returns:
        `roc` (`false_positive_rate`, `true_positive_rate`, `threshold`), `precision_recall`
        (`recall`, `precision`) and `calibration` (`predicted`, `observed`: means of tenths of the
        rows).
    """
    from sklearn.calibration import calibration_curve
    from sklearn.metrics import precision_recall_curve, roc_curve

    false_positive, true_positive, threshold = roc_curve(labels, predictions)
    precision, recall, _ = precision_recall_curve(labels, predictions)
    observed, predicted = calibration_curve(labels, predictions, n_bins=10, strategy="quantile")
    points = {
        "roc": {
            "false_positive_rate": false_positive,
            "true_positive_rate": true_positive,
            "threshold": np.minimum(threshold, 1),  # the first is infinite
        },
        # At recall 0, precision is that of a handful of rows, or of none.
        "precision_recall": {"recall": recall[recall > 0], "precision": precision[recall > 0]},
        "calibration": {"predicted": predicted, "observed": observed},
    }
    return {name: _thinned(pl.DataFrame(columns)) for name, columns in points.items()}


def _thinned(points: pl.DataFrame) -> pl.DataFrame:
    kept = np.unique(np.linspace(0, points.height - 1, POINTS_IN_CURVE).round().astype(int))
    return points[kept]


def decide(
    limits: EvaluateParams, challenger: dict[str, float], champion: dict[str, float] | None
) -> tuple[bool, str]:
    """Return whether the challenger may be released, and why, in one clause.

    Args:
        limits: the floor, and the gain asked for.
        challenger: its metrics.
        champion: the champion's metrics on the same period; None where there is nothing to beat.
    """
    sign = 1 if HIGHER_IS_BETTER else -1
    limit = "floor" if HIGHER_IS_BETTER else "limit"
    score, name = challenger[HEADLINE], HEADLINE_LABEL
    if not sign * (score - limits.floor) >= 0:  # nor is one that is not a number
        return False, f"{name} {score:.4f} is worse than the {limit} of {limits.floor:.4f}"
    if champion is None:
        reaches = "reaches the floor" if HIGHER_IS_BETTER else "is within the limit"
        return True, f"{name} {score:.4f} {reaches} of {limits.floor:.4f}"
    against = f"{name} {score:.4f} against {champion[HEADLINE]:.4f}"
    if sign * (score - champion[HEADLINE]) > limits.min_gain:
        return True, f"better than the champion: {against}"
    enough = f" by more than {limits.min_gain:g}" if limits.min_gain else ""
    return False, f"not better than the champion{enough}: {against}"
