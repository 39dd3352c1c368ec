"""The mean absolute error decides, and lower is better."""

import numpy as np
import polars as pl

from .params import EvaluateParams

HEADLINE = "mae"
HEADLINE_LABEL = "MAE"
HIGHER_IS_BETTER = False
SLICES: tuple[str, ...] = ("depot", "distance")

Numbers = np.ndarray[tuple[int], np.dtype[np.float64]]


def measure(labels: Numbers, predictions: Numbers) -> dict[str, float]:
    """Return `mae` and `rmse`, in minutes."""
    error = predictions - labels
    return {"mae": float(np.abs(error).mean()), "rmse": float(np.sqrt((error**2).mean()))}


def curves(labels: Numbers, predictions: Numbers) -> dict[str, pl.DataFrame]:
    """Return the quantiles of the absolute error."""
    shares = np.linspace(0, 1, 21)
    minutes = np.quantile(np.abs(predictions - labels), shares)
    return {"absolute_error": pl.DataFrame({"share_of_rows": shares, "minutes": minutes})}


def decide(
    limits: EvaluateParams, challenger: dict[str, float], champion: dict[str, float] | None
) -> tuple[bool, str]:
    """Return whether the challenger may be released, and why."""
    mae = challenger[HEADLINE]
    if not mae <= limits.floor:
        return False, f"MAE {mae:.2f} is worse than the limit of {limits.floor:.2f}"
    if champion is None:
        return True, f"MAE {mae:.2f} is within the limit of {limits.floor:.2f}"
    better = champion[HEADLINE] - mae > limits.min_gain
    against = f"MAE {mae:.2f} against {champion[HEADLINE]:.2f}"
    return better, f"{'better' if better else 'not better'} than the champion: {against}"
