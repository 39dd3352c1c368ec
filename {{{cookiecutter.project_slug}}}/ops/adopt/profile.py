"""What a table says of itself: types, ranges, key, problem, and what a model may use."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.periods import CADENCE, FEWEST_PERIODS

from .leaks import find_leaks
from .table import UTC_TIME, Table

MISSING = 0.05
"""The share of a column that may be missing where less was."""
LONGEST_VALUE = 60
"""A longer value is no category: it does not fit in a line of `tables.py`."""
FEW_VALUES, MANY_VALUES = 20, 1000
"""A column of few values is a category with a rule; a text of many is none for a model."""
IDENTIFIER = re.compile(r"(?i:(?:^|[_\s.-])(?:id|uuid|key|no|nr|number))$|[a-z]I[dD]$")
"""How the names of columns end that identify rows."""
IN_ORDER = 0.99
"""A rank correlation with the order of rows that only a column has which numbers them."""
FEW_ROWS = 3
"""So many rows of a period may always break a rule for values."""
ROWS_OF_A_VALUE = 5
"""With fewer rows for a value, on average, a text identifies rows."""
FEWEST_ROWS = 500
"""More rows than this are never demanded of a period."""
TRUE_WORDS = {"true", "yes", "y", "1", "positive", "success"}
CLOCK = ("hour", "weekday")
"""Features that `features.py` derives from the time, where the table has no column of that name."""


@dataclass(frozen=True)
class Column:
    """A column as `tables.py` declares it."""

    name: str
    dtype: str
    missing: float | None
    """The share that may be missing; None for the default."""
    limits: tuple[float, float] | None
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Profile:
    """All that the templates of `room/` need to know of a table."""

    table: Table
    target: str
    labels: pl.Series
    """The label of each row as a number, null where it is unknown."""
    problem: str
    positive: str | float | None
    """The value that means yes, where the target is not boolean."""
    negative: str | float | None
    key: list[str]
    columns: list[Column]
    fewest_rows: int
    exceptions: float
    """The share of a period's values that may be out of range."""
    new_values: float
    """The share of a period's values that may be new, where few are known."""
    leaks: dict[str, str]
    """Why columns look as if they were known only afterwards, by name."""
    categorical: list[str]
    numeric: list[str]
    clock: list[str]
    unused: dict[str, str]
    """Why columns are neither categorical nor numeric, by name."""
    slices: list[str]
    label_limits: tuple[float, float]
    """What a period's share of yes, or its mean, lay between, widened."""
    floor: float
    quality_drop: float
    window: int

    @property
    def prediction(self) -> str:
        """What a prediction is called."""
        name = "probability" if self.problem == "binary" else "predicted"
        return name if name not in self.table.rows.columns else f"{name}_{self.target}"

    @property
    def outcomes(self) -> tuple[str | float | bool | None, ...]:
        """Of a binary target, the value that means no, and the one that means yes."""
        return (False, True) if self.positive is None else (self.negative, self.positive)

    @property
    def predicts(self) -> str:
        """The target and the problem, for people."""
        if self.problem == "regression":
            return f"{self.target}, a regression"
        value = "" if self.positive is None else f" is {self.positive}"
        return f"whether {self.target}{value}, a binary classification"


def profile(table: Table, target: str, problem: str | None, window: int) -> Profile:
    """Describe a table whose column `target` is to be predicted.

    Raises:
        BadInput: the target is missing or no label, or rows cannot be distinguished.
    """
    rows = table.rows
    problem, positive, labels = _labels(table, target, problem)
    leaks = find_leaks(rows.drop(table.time, target), labels)
    known = [name for name in rows.columns if name not in (table.time, target, *leaks)]
    key = _key(rows, table.time, known, target)
    categorical, numeric, unused = _features(rows, [name for name in known if [name] != key])
    clock = [name for name in CLOCK if name not in rows.columns and _varies(table, name)]
    if not (categorical or numeric or clock):
        raise BadInput(
            f"No column is left that a model could learn from: beside {target} are only keys, "
            "constants, times, texts of many values, and what looks like a leak."
        )
    floor = _floor(labels) if problem == "regression" else 0.5
    fewest = int(table.period.value_counts()["count"].min())  # type: ignore[arg-type]
    return Profile(
        table=table,
        target=target,
        labels=labels,
        problem=problem,
        positive=positive,
        negative=next(
            (kind for kind in rows[target].unique() if kind not in (None, positive)), None
        ),
        key=key,
        columns=[_column(table, name, key, FEW_ROWS / fewest) for name in rows.columns],
        fewest_rows=max(1, min(FEWEST_ROWS, int(nice(fewest / 2)))),
        exceptions=_share(0.01, FEW_ROWS / fewest),
        new_values=_share(0.05, FEW_ROWS / fewest),
        leaks=leaks,
        categorical=categorical,
        numeric=[*numeric, *clock],
        clock=clock,
        unused=unused,
        slices=_slices(rows, [*categorical, *numeric]) or clock[-1:],
        label_limits=_label_limits(problem, labels, *_means(table.period, labels)),
        floor=floor,
        quality_drop=nice(floor / 10) if problem == "regression" else 0.1,
        window=max(FEWEST_PERIODS, min(window, len(table.periods) - 1)),
    )


def _labels(
    table: Table, target: str, problem: str | None
) -> tuple[str, str | float | None, pl.Series]:
    """Return the problem, the value that means yes, and the labels as numbers, null if unknown."""
    if target not in table.rows.columns:
        raise BadInput(
            f"There is no column {target!r} with values: the target is one of "
            f"{', '.join(table.rows.columns)}."
        )
    values = table.rows[target]
    kinds = values.drop_nulls().unique().sort()
    if target == table.time or not (
        values.dtype.is_numeric() or values.dtype in (pl.String, pl.Boolean)
    ):
        raise BadInput(
            f"{target!r} is of {values.dtype}: the target is a number, yes or no, or a text."
        )
    if kinds.is_empty():
        raise BadInput(f"{target!r} has no value in a whole {CADENCE.unit}: nothing can be learnt.")
    if len(kinds) < 2:
        raise BadInput(f"{target!r} is always {kinds[0]}: there is nothing to predict.")
    problem = problem or ("binary" if len(kinds) == 2 else "regression")
    if problem == "regression" and not values.dtype.is_numeric():
        if len(kinds) == 2:
            raise BadInput(f"{target!r} is no number: leave out PROBLEM=regression.")
        raise BadInput(
            f"{target!r} has {len(kinds):,} classes, and only two classes or a number are drafted: "
            "adopt a target with two of them, then see docs/problems.md."
        )
    if problem == "regression":
        return problem, None, values.cast(pl.Float64)
    if len(kinds) > 2:
        raise BadInput(f"{target!r} has {len(kinds):,} values, and PROBLEM=binary needs two.")
    if values.dtype == pl.Boolean:
        return problem, None, values.cast(pl.Float64)
    positive = kinds[1]
    if values.dtype == pl.String:
        rarer = values.drop_nulls().value_counts().sort("count", target)[target][0]
        positive = next((kind for kind in kinds if kind.strip().lower() in TRUE_WORDS), rarer)
    return problem, positive, (values == positive).cast(pl.Float64)


def _share(least: float, share: float) -> float:
    """Return a share in two digits, from `least` to 1."""
    return min(1.0, max(least, nice(share, up=True)))


def _key(rows: pl.DataFrame, time: str, known: Sequence[str], target: str) -> list[str]:
    """Return the columns that distinguish all rows: one, or the time with as few as possible.

    A column that is called an identifier is preferred to the time, and the time to all others.
    """
    complete = [name for name in known if not rows[name].null_count()]
    exact = [name for name in complete if not rows.schema[name].is_float()]
    names = [name for name in exact if rows.schema[name] in (pl.Int64, pl.String)]
    for name in (*filter(IDENTIFIER.search, names), time, *names):
        if rows[name].n_unique() == rows.height:
            return [name]
    for candidates in (exact, complete):
        key, left = [time], list(candidates)
        while left and rows.n_unique(key) < rows.height:
            best = max(left, key=lambda name: rows.n_unique([*key, name]))
            left.remove(best)
            key.append(best)
        if rows.n_unique(key) == rows.height:
            for name in key[1:]:
                if rows.n_unique(fewer := [n for n in key if n != name]) == rows.height:
                    key = fewer
            return key
    repeated = rows.height - rows.n_unique([time, *complete])
    raise BadInput(
        f"{repeated:,} rows repeat another in all but {target}: remove them, or add a column that "
        "numbers the rows."
    )


def _features(
    rows: pl.DataFrame, known: Sequence[str]
) -> tuple[list[str], list[str], dict[str, str]]:
    """Return the categories and the numbers for the model, and why other columns are neither."""
    categorical, numeric, unused = [], [], {}
    for name in known:
        values, dtype = rows[name], rows.schema[name]
        kinds = values.n_unique()
        if kinds == 1:
            unused[name] = "which is always the same"
        elif dtype.is_temporal():
            unused[name] = "which is a time"
        elif _identifies(values):
            unused[name] = "which identifies or numbers the rows"
        elif dtype.is_numeric() or dtype == pl.Boolean:
            numeric.append(name)
        elif kinds > MANY_VALUES or kinds * ROWS_OF_A_VALUE > rows.height:
            unused[name] = f"a text with {kinds:,} values"
        else:
            categorical.append(name)
    return categorical, numeric, unused


def _identifies(values: pl.Series) -> bool:
    """Return whether a column has another value in each row, by its name or in their order."""
    if values.dtype not in (pl.Int64, pl.String) or values.n_unique() < len(values):
        return False
    if IDENTIFIER.search(values.name):
        return True
    if values.dtype == pl.String:
        return False
    rows = pl.DataFrame({"value": values, "row": range(len(values))})
    correlation: float = rows.select(pl.corr("value", "row", method="spearman")).item()
    return abs(correlation) > IN_ORDER


def _slices(rows: pl.DataFrame, features: Sequence[str]) -> list[str]:
    """Return at most two features of few values, texts first; a year has one value in a period."""
    few = [
        name
        for name in features
        if 2 <= rows[name].n_unique() <= FEW_VALUES and not rows[name].is_sorted()
    ]
    return sorted(few, key=lambda name: rows.schema[name] != pl.String)[:2]


def _varies(table: Table, part: str) -> bool:
    clock = table.rows[table.time].dt.convert_time_zone(table.zone).dt
    return getattr(clock, part)().n_unique() > 1  # type: ignore[no-any-return]


def _means(period: pl.Series, values: pl.Series) -> tuple[float, float]:
    """Return the smallest and the largest mean of a period."""
    rows = pl.DataFrame({"period": period, "value": values.cast(pl.Float64)})
    means = rows.group_by("period").agg(pl.col("value").mean())["value"].drop_nulls()
    return float(means.min()), float(means.max())  # type: ignore[arg-type]


def _label_limits(problem: str, labels: pl.Series, low: float, high: float) -> tuple[float, float]:
    """Return what the mean of a period's labels is expected to lie between.

    Few periods say little of the next one, so a mean may differ by as much as single labels do,
    and the odds of a share by a factor of four.
    """
    if problem == "regression":
        spread: float = labels.std()  # type: ignore[assignment]
        return widened(low, high, by=max(high - low, spread))
    least, greatest = low / (4 - 3 * low), 4 * high / (1 + 3 * high)
    return max(0.01, math.floor(least * 100) / 100), min(0.99, math.ceil(greatest * 100) / 100)


def _floor(labels: pl.Series) -> float:
    """Return the mean absolute error of always predicting the median."""
    error: float = (labels - labels.median()).abs().mean()  # type: ignore[assignment]
    return nice(error, up=True)


def _column(table: Table, name: str, key: Sequence[str], few: float) -> Column:
    """Return a column as the rows show it; `few` is the share of a few rows in a small period."""
    values = table.rows[name]
    _, missing = _means(table.period, values.is_null())
    wider = missing and max(1.5 * missing, missing + few)
    allowed = None if wider <= MISSING else min(1.0, math.ceil(wider * 20) / 20)
    limits, kinds = None, ()
    grows = values.is_sorted() or _identifies(values)  # as a year does, or the number of an order
    if values.dtype.is_numeric() and not grows:
        limits = _limits(values)
    elif values.dtype == pl.String and name not in key and values.n_unique() <= FEW_VALUES:
        found = tuple(values.drop_nulls().unique().sort())
        kinds = found if all(len(repr(kind)) <= LONGEST_VALUE for kind in found) else ()
    dtype = 'pl.Datetime("us", "UTC")' if values.dtype == UTC_TIME else f"pl.{values.dtype!r}"
    return Column(name, dtype, 0.0 if name in (table.time, *key) else allowed, limits, kinds)


def _limits(values: pl.Series) -> tuple[float, float]:
    """Return the range of numbers, widened; whole numbers have whole ends, and 0 and 1 stay."""
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
    span = (high - low) or abs(high) or 1.0
    if values.dtype.is_float():
        return widened(low, high, by=span / 2)
    start, end = widened(low, high, by=span / 2) if (low, high) != (0, 1) else (low, high)
    return math.floor(start), math.ceil(end)


def widened(low: float, high: float, by: float) -> tuple[float, float]:
    """Return a range widened on both sides, in round numbers; what is never negative stays so."""
    span = high - low + by
    step = 10 ** math.floor(math.log10(span)) / 10
    wider = math.floor((low - by) / step), math.ceil((high + by) / step)
    digits = max(0, 1 - math.floor(math.log10(span)))
    start, end = (round(number * step, digits) for number in wider)
    return (0.0 if low >= 0 > start else start), end


def nice(number: float, *, up: bool = False) -> float:
    """Return a number in two significant digits."""
    step = 10 ** (math.floor(math.log10(number)) - 1) if number > 0 else 1.0
    rounded = math.ceil(number / step) if up else round(number / step)
    return float(f"{rounded * step:.2g}")
