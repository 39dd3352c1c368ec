"""What counts as a better model: metrics, the headline among them, slices, and the release rule."""

from typing import Any

import numpy as np
import polars as pl

from .params import EvaluateParams

HEADLINE = "mae"
"""The metric of `measure` that decides about releases."""
HEADLINE_LABEL = "MAE"
HIGHER_IS_BETTER = False

SLICES: tuple[str, ...] = ("carrier", "origin")
"""Columns of the rows: each of their larger values is evaluated on its own."""

Labels = np.ndarray[tuple[int], np.dtype[np.float64]]
Scores = np.ndarray[tuple[int], np.dtype[np.float64]]


QUANTILES = np.linspace(0, 0.99, 100)


def measure(labels: Labels, predictions: Scores) -> dict[str, float]:
    """Return the metrics of predictions against labels.

    Returns:
        `mae` (mean absolute error), `rmse` (root of the mean squared error), and the errors that
        half and nine tenths of the rows stay below, lower is better; `r2` (share of the variance
        that is explained), higher is better. Nothing where there are no rows.
    """
    from sklearn import metrics  # slow to import, and only needed here

    if labels.size == 0:
        return {}
    half, most = np.quantile(np.abs(predictions - labels), [0.5, 0.9])
    return {
        "mae": float(metrics.mean_absolute_error(labels, predictions)),
        "rmse": float(metrics.root_mean_squared_error(labels, predictions)),
        "error_of_half": float(half),
        "error_of_nine_tenths": float(most),
        "r2": float(metrics.r2_score(labels, predictions)) if labels.size > 1 else np.nan,
    }


def curves(labels: Labels, predictions: Scores) -> dict[str, pl.DataFrame]:
    """Return curves: the first column is x, the second y.

    Returns:
        `predicted_actual` (`predicted`, `actual`: means of tenths of the rows), `residuals`
        (`residual`, `share`: those of 50 equal steps) and `error_quantiles` (`share`, `error`: the
        absolute error that this share of the rows stays below).
    """
    tenth = np.argsort(predictions, kind="stable")
    tenths = [rows for rows in np.array_split(tenth, 10) if rows.size]
    residuals = labels - predictions
    count, edges = np.histogram(residuals, bins=50)
    points: dict[str, dict[str, Any]] = {
        "predicted_actual": {
            "predicted": [predictions[rows].mean() for rows in tenths],
            "actual": [labels[rows].mean() for rows in tenths],
        },
        "residuals": {"residual": (edges[:-1] + edges[1:]) / 2, "share": count / labels.size},
        "error_quantiles": {
            "share": QUANTILES,
            "error": np.quantile(np.abs(residuals), QUANTILES),
        },
    }
    return {name: pl.DataFrame(columns) for name, columns in points.items()}


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
