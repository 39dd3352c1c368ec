"""Rules for the values of a table, beside its Pandera schema. The team's `tables.py` uses them.

Pandera checks columns, types, keys and the number of rows. Rules for values are evaluated by
`source/contract.py`, all of a table in one pass: as Pandera checks they took most of a run's time
for data. Real data are never spotless, so each rule allows a share of exceptions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandera.polars as pa
import polars as pl


@dataclass(frozen=True)
class Rule:
    """At most the share `allowed` of a column's values may be `what`."""

    allowed: float
    violation: Callable[[pl.Expr], pl.Expr]
    """Takes the column; true where a value breaks the rule, null where there is no value."""
    what: str


def at_most(share: float, violation: Callable[[pl.Expr], pl.Expr], what: str) -> Rule:
    """Return the rule that `violation` holds for at most `share` of a column's values."""
    return Rule(share, violation, what)


def within(low: float, high: float, exceptions: float = 0.001) -> Rule:
    """Return the rule that values lie between `low` and `high`, both included."""
    return at_most(
        exceptions, lambda values: ~values.is_between(low, high), f"outside {low:g} to {high:g}"
    )


def column(dtype: Any, *rules: Rule, missing: float = 0.05) -> pa.Column:
    """Return a column of which at most the share `missing` is null."""
    present = at_most(missing, pl.Expr.is_null, "missing")
    return pa.Column(dtype, nullable=True, metadata={"rules": [present, *rules]})


def at_least_rows(rows: int) -> pa.Check:
    """Return the check that a table has at least so many rows."""
    return pa.Check(
        lambda data: data.lazyframe.select(pl.len() >= rows), statistics={"fewest": rows}
    )
