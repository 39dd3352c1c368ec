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
    Labels,
    Scores,
    curves,
    measure,
)
from .features import LABEL
from .model import PREDICTION, predict

IMPORTANCE_ROWS = 2000
BARS_FROM = 0.5  # the AUC of guesses
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
        f"ROC, area {metrics['auc']:.3f}": _roc(points["roc"]),
        f"Precision and recall, average {metrics['average_precision']:.3f}": _precision_recall(
            points["precision_recall"], labels
        ),
        "Calibration, in tenths of the rows": _calibration(points["calibration"]),
        "Importance of the columns": _importance(model, rows, seed),
    }
    for column, values in slices.items():
        drawn[f"{HEADLINE_LABEL} by {column}"] = _bars(values, metrics[HEADLINE])
    return drawn


def _roc(curve: pl.DataFrame) -> Figure:
    figure, axes = _figure("false positive rate", "true positive rate")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":")
    axes.plot(curve["false_positive_rate"], curve["true_positive_rate"], color=BLUE)
    return figure


def _precision_recall(curve: pl.DataFrame, labels: Labels) -> Figure:
    figure, axes = _figure("recall", "precision")
    axes.axhline(labels.mean(), color=GREY, linestyle=":")
    axes.plot(curve["recall"], curve["precision"], color=BLUE)
    axes.set_ylim(0, 1)
    return figure


def _calibration(curve: pl.DataFrame) -> Figure:
    figure, axes = _figure(f"predicted {PREDICTION}", f"share that is {LABEL}")
    top = curve.max().max_horizontal().item() * 1.05
    axes.plot([0, top], [0, top], color=GREY, linestyle=":")
    axes.plot(curve["predicted"], curve["observed"], color=BLUE, marker="o", markersize=4)
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
