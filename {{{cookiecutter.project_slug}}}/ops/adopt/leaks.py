"""Columns that give the target away: they look as if they were known only afterwards."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl

CLOSE = 0.98
"""A rank correlation with the target that no column has which is known before."""
EXPLAINED = 0.99
"""The same for the share of the target's variance that the values of a column explain."""
WEAK = 0.5
"""A rank correlation with the target that a part of it exceeds, where the other part is a leak."""
ROWS_OF_A_VALUE = 20
"""With fewer rows for a value, on average, a column explains the target by chance."""
ROWS_PROBED = 1000
"""Pairs of columns are compared with the target in so many rows, and those found in all."""

LABEL = ""
"""No column has this name."""

Array = np.ndarray[Any, np.dtype[np.float64]]
WAYS: dict[str, Callable[[Array, Array], Array]] = {
    "sum with": np.add,
    "difference from": lambda one, other: np.abs(one - other),
    "product with": np.multiply,
}


def find_leaks(columns: pl.DataFrame, labels: pl.Series) -> dict[str, str]:
    """Return why columns look like leaks, by name.

    Args:
        columns: all but the time and the target.
        labels: the target as numbers, null where there is no outcome.
    """
    found = {name: _alone(columns[name], labels) for name in columns.columns}
    alone = {name: why for name, why in found.items() if why}
    numbers = columns.select(pl.col(pl.Int64, pl.Float64).cast(pl.Float64))
    leaks = dict(alone)
    for name, what, other in _pairs(numbers, labels):
        rows = pl.DataFrame({"value": numbers[name], "label": labels}).drop_nulls()
        # Without the other, a price, for one, says little of what was paid.
        if other not in alone or abs(_correlation(rows, "value")) > WEAK:
            leaks.setdefault(name, f"whose {what} {other} is the target")
    return leaks


def _alone(values: pl.Series, labels: pl.Series) -> str:
    """Return why a column looks like a leak by itself, or nothing."""
    rows = pl.DataFrame({"value": values, "missing": values.is_null(), "label": labels})
    known, unknown = rows.drop_nulls("label"), rows.filter(pl.col("label").is_null())
    if unknown["missing"].sum() > 0.8 * unknown.height and _number(known["missing"].mean()) < 0.01:
        return "missing where the target is"
    if abs(_correlation(known, "missing")) > CLOSE:
        return "missing where the target has one of its values"
    present = known.drop_nulls("value")
    if (values.dtype.is_numeric() or values.dtype == pl.Boolean) and _orders(present):
        return "in the order of the target"
    mean = pl.col("label").mean().over("value")
    spread, left = present.select(
        pl.col("label").var().alias("spread"), (pl.col("label") - mean).var().alias("left")
    ).row(0)
    repeated = present["value"].n_unique() * ROWS_OF_A_VALUE <= present.height
    if repeated and spread and 1 - left / spread > EXPLAINED:
        return "each of its values has one of the target"
    return ""


def _orders(rows: pl.DataFrame) -> bool:
    """Return whether a column orders rows as their labels do, or the other way round."""
    if rows["label"].n_unique() > 2:
        return abs(_correlation(rows, "value")) > CLOSE
    # Of two labels the correlation is small where one is rare: take the area under the ROC curve.
    yes = rows["label"] == rows["label"].max()
    many = int(yes.sum())
    others = rows.height - many
    if not many or not others:
        return False
    ranks = _number(rows["value"].rank().filter(yes).sum())
    area = (ranks - many * (many + 1) / 2) / (many * others)
    return bool(abs(2 * area - 1) > CLOSE)


def _pairs(numbers: pl.DataFrame, labels: pl.Series) -> Iterator[tuple[str, str, str]]:
    """Yield columns of which two together give the target: each, how, and with which other."""
    rows = numbers.with_columns(labels.alias(LABEL)).drop_nulls(LABEL)
    probe = rows.head(ROWS_PROBED)
    varied = [name for name in numbers.columns if probe[name].n_unique() > 1]
    values, label = probe.select(varied).to_numpy().T, probe[LABEL].to_numpy()
    for place, one in enumerate(varied):
        for what, way in WAYS.items():
            made = way(values[place], values[place + 1 :])
            known = ~np.isnan(made)
            like = (np.isclose(made, label) | ~known).all(axis=1) & (known.sum(axis=1) > 1)
            for number in np.flatnonzero(like):  # most pairs end there
                other = varied[place + 1 + number]
                if _makes(way, rows.select(one, other, LABEL)):
                    yield one, what, other
                    yield other, what, one


def _makes(way: Callable[[Array, Array], Array], rows: pl.DataFrame) -> bool:
    """Return whether two columns make the third, where all three have a value."""
    one, other, label = rows.drop_nulls().to_numpy().T
    return label.size > 1 and np.allclose(way(one, other), label)


def _correlation(rows: pl.DataFrame, name: str) -> float:
    """Return the rank correlation of a column with the labels, 0 where there is none."""
    found = rows.select(pl.corr(pl.col(name).cast(pl.Float64), "label", method="spearman")).item()
    return 0.0 if found is None or np.isnan(found) else float(found)


def _number(value: Any) -> float:
    """Return a number that Polars found, 0 where there was nothing to find it in."""
    return 0.0 if value is None else float(value)
