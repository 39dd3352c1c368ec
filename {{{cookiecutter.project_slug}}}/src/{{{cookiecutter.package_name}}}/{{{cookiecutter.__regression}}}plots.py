"""The figures of the report. After a change here, `make report` redraws that of a finished run."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .evaluation import (
    HEADLINE,
    HEADLINE_LABEL,
    HIGHER_IS_BETTER,
    Scores,
    curves,
    measure,
)
from .features import LABEL
from .model import predict

IMPORTANCE_ROWS = 2000
BARS_FROM = 0
BLUE, GREY = "#1f6feb", "#8c959f"


def figures(
    model: Any,
    rows: pl.DataFrame,
    predictions: Scores,
    slices: Mapping[str, Mapping[str, float]],
    seed: int,
) -> dict[str, Figure]:
    """Return the figures of an evaluation by title.

    Args:
        model: the challenger, fitted.
        rows: the rows that it was evaluated on, with their label.
        predictions: one for each row.
        slices: by column of `SLICES`, the headline metric of each of its larger values.
        seed: makes the sample and its shuffling reproducible.
    """
    labels = rows[LABEL].to_numpy()
    metrics, points = measure(labels, predictions), curves(labels, predictions)
    drawn = {
        "Predicted against actual, in tenths of the rows": _predicted_actual(
            points["predicted_actual"]
        ),
        "Residuals, actual less predicted": _residuals(points["residuals"]),
        f"Absolute error, mean {metrics['mae']:.4g}": _error_quantiles(
            points["error_quantiles"], metrics["mae"]
        ),
        "Importance of the columns": _importance(model, rows, seed),
    }
    for column, values in slices.items():
        drawn[f"{HEADLINE_LABEL} by {column}"] = _bars(values, metrics[HEADLINE])
    return drawn


def _predicted_actual(curve: pl.DataFrame) -> Figure:
    figure, axes = _figure(f"predicted {LABEL}", f"actual {LABEL}")
    ends = [curve.min().min_horizontal().item(), curve.max().max_horizontal().item()]
    axes.plot(ends, ends, color=GREY, linestyle=":")
    axes.plot(curve["predicted"], curve["actual"], color=BLUE, marker="o", markersize=4)
    return figure


def _residuals(curve: pl.DataFrame) -> Figure:
    figure, axes = _figure("more than predicted", "share of the rows")
    axes.axvline(0, color=GREY, linestyle=":")
    axes.fill_between(curve["residual"], curve["share"], color=BLUE, step="mid")
    return figure


def _error_quantiles(curve: pl.DataFrame, mean: float) -> Figure:
    figure, axes = _figure("share of the rows", "absolute error below")
    axes.axhline(mean, color=GREY, linestyle=":")
    axes.plot(curve["share"], curve["error"], color=BLUE)
    return figure


def _importance(model: Any, rows: pl.DataFrame, seed: int) -> Figure:
    """Draw how much worse a model is when a column is shuffled.

    This is permutation importance (Breiman 2001), by the headline metric. The columns are those
    of `features.join`, the input of every model.
    """
    sample = rows.sample(min(IMPORTANCE_ROWS, rows.height), seed=seed)
    labels, inputs = sample[LABEL].to_numpy(), sample.drop(LABEL)

    def score(inputs: pl.DataFrame) -> float:
        value = measure(labels, predict(model, inputs)).get(HEADLINE, np.nan)
        return value if HIGHER_IS_BETTER else -value

    whole = score(inputs)
    losses = {
        name: whole - score(inputs.with_columns(pl.col(name).shuffle(seed=seed)))
        for name in inputs.columns
    }
    matter = sorted((name for name, loss in losses.items() if loss), key=losses.__getitem__)
    figure, axes = _figure(f"{HEADLINE_LABEL} that a shuffled column costs", "")
    axes.barh(matter, [losses[name] for name in matter], color=BLUE)
    axes.margins(y=0.02)
    return figure


def _bars(values: Mapping[str, float], overall: float) -> Figure:
    """Draw the headline metric of each value of a slice, the first at the top."""
    figure, axes = _figure(HEADLINE_LABEL, "")
    axes.barh(list(values)[::-1], list(values.values())[::-1], color=BLUE)
    axes.axvline(overall, color=GREY, linestyle=":")
    axes.set_xlim(BARS_FROM, None)
    return figure


def _figure(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5, 3.6), layout="constrained")  # not pyplot: steps run in threads
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
