"""One figure: predicted against rented."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from .features import LABEL


def figures(
    model: Any,
    rows: pl.DataFrame,
    predictions: np.ndarray[Any, np.dtype[Any]],
    slices: Mapping[str, Mapping[str, float]],
    seed: int,
) -> dict[str, Figure]:
    """Return the figures by title."""
    figure = Figure()
    figure.add_subplot().scatter(predictions, rows[LABEL].to_numpy(), s=2)
    return {"Predicted against rented": figure}
