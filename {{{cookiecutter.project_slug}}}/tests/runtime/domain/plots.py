"""Two figures: predicted against actual durations, and the error of each depot."""

from collections.abc import Mapping
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from .features import LABEL


def figures(
    model: Any,
    rows: pl.DataFrame,
    predictions: Any,
    slices: Mapping[str, Mapping[str, float]],
    seed: int,
) -> dict[str, Figure]:
    """Return the figures by title."""
    against = Figure()
    against.add_subplot().scatter(predictions, rows[LABEL].to_numpy(), s=2)
    drawn = {"Predicted against actual": against}
    for column, values in slices.items():
        drawn[f"MAE by {column}"] = Figure()
        drawn[f"MAE by {column}"].add_subplot().barh(list(values), list(values.values()))
    return drawn
