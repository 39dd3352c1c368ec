"""The small source that the tests and CI read: the newest periods, each with a part of its rows."""

from collections.abc import Mapping

import polars as pl

from .profile import MISSING, Profile

ROWS = 4000
"""About so many rows are kept of all periods together, as far as the rules of the draft allow."""


def small(found: Profile) -> Mapping[str, pl.DataFrame]:
    """Return rows of the periods of the newest window and of that after it, by period."""
    periods = found.table.periods[-found.window - 1 :]
    count = max(found.fewest_rows, ROWS // len(periods))
    return {period: _thinned(found, period, count) for period in periods}


def _thinned(found: Profile, period: str, count: int) -> pl.DataFrame:
    """Return `count` rows of a period in their order; more where these would break a rule."""
    within = found.table.period == period
    rows, labels = found.table.rows.filter(within), found.labels.filter(within)
    while count < rows.height:
        chosen = pl.int_range(rows.height, eager=True).sample(count, seed=1).sort()
        if _keeps_rules(rows[chosen], labels[chosen], found):
            return rows[chosen]
        count *= 2
    return rows


def _keeps_rules(rows: pl.DataFrame, labels: pl.Series, found: Profile) -> bool:
    """Return whether rows, of which there are enough, break no rule of the drafted modules."""
    low, high = found.label_limits
    missing = all(
        rows[column.name].null_count() / rows.height
        <= (MISSING if column.missing is None else column.missing)
        for column in found.columns
    )
    return missing and low <= float(labels.mean() or 0) <= high  # type: ignore[arg-type]
