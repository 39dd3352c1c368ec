"""Check tables against their schemas and rules, and say what is wrong in an operator's words."""

from collections.abc import Collection, Mapping

import pandera.polars as pa
import polars as pl
from pandera.config import ValidationDepth, config_context

from .. import room
from ..periods import bounds
from ..results import Finding
from ..schema import Rule, at_most
from .formats import fault_of_time


def find_faults(
    tables: Mapping[str, pl.DataFrame],
    period: str,
    names: Collection[str],
    ignore: Collection[str] = (),
) -> list[Finding]:
    """Return what is wrong with the tables `names` of those delivered for a period, by name.

    Columns to `ignore` are not checked, such as those that a prediction does without.
    """
    ours = room.tables()
    findings = []
    for name in names:
        if name not in tables:
            findings.append(Finding(table=name, column=None, message="no file was delivered"))
            continue
        schema = ours.TABLES[name]
        schema = schema.remove_columns([c for c in ignore if c in schema.columns])
        rules = [
            (column, rule)
            for column, checked in schema.columns.items()
            for rule in (checked.metadata or {}).get("rules", [])
        ]
        time, rows = ours.DATED.get(name), tables[name]
        if time is not None:
            rules.append((time, belongs_to(period, ours.TIME_ZONE)))
        # First columns and types, which the other checks need.
        findings += (
            _ask_pandera(name, schema, rows, ValidationDepth.SCHEMA_ONLY)
            or _check_time(name, time, rows)
            or [
                *_broken_rules(name, rules, rows),
                *_ask_pandera(name, schema, rows, ValidationDepth.DATA_ONLY),
            ]
        )
    return findings


def belongs_to(period: str, zone: str) -> Rule:
    """Return the rule that moments lie in `period`, by the clocks of a time zone."""
    start, end = bounds(period, zone)
    return at_most(
        0.0,
        lambda moments: ~moments.is_between(start, end, closed="left"),
        f"outside {period} in {zone}",
    )


def _check_time(table: str, time: str | None, rows: pl.DataFrame) -> list[Finding]:
    """Check that a dated table's column of time can be compared with the bounds of a period."""
    if time is None:
        return []
    wrong = fault_of_time(rows.schema.get(time))
    return [] if wrong is None else [Finding(table=table, column=time, message=wrong)]


def _ask_pandera(
    name: str, schema: pa.DataFrameSchema, rows: pl.DataFrame, depth: ValidationDepth
) -> list[Finding]:
    try:
        with config_context(validation_depth=depth):
            schema.validate(rows, lazy=True)
    except pa.errors.SchemaErrors as errors:
        return [_describe(error, name, rows) for error in errors.schema_errors]
    return []


def _broken_rules(table: str, rules: list[tuple[str, Rule]], rows: pl.DataFrame) -> list[Finding]:
    """Evaluate the rules of all columns in one pass."""
    broken = rows.select(
        rule.violation(pl.col(name)).alias(str(number)) for number, (name, rule) in enumerate(rules)
    )
    shares = broken.mean().row(0)
    findings = []
    for number, (name, rule) in enumerate(rules):
        share = shares[number] or 0.0  # None where there is no value
        if share > rule.allowed:
            values = broken.to_series(number)
            # Of a few among many thousands, give the number: 0.0% says nothing.
            many = f"{share:.1%}" if share >= 0.001 else f"{values.sum():,} of {values.count():,}"
            allowed = f"{rule.allowed:.1%}" if rule.allowed else "none"
            message = f"{many} are {rule.what}, {allowed} allowed"
            findings.append(Finding(table=table, column=name, message=message))
    return findings


def _describe(error: pa.errors.SchemaError, table: str, rows: pl.DataFrame) -> Finding:
    """Return what Pandera found, in words that an operator understands."""
    reason, check = error.reason_code, error.check
    statistics = getattr(check, "statistics", None) or {}
    column = error.schema.name if error.schema is not None else None
    if reason is pa.errors.SchemaErrorReason.COLUMN_NOT_IN_DATAFRAME:
        column = str(error.failure_cases)
        like = [name for name in rows.columns if name.strip().lower() == column.lower()]
        message = f"the column is missing{f', and there is {like[0]!r}' if like else ''}"
    elif reason is pa.errors.SchemaErrorReason.WRONG_DATATYPE:
        expected = error.schema.dtype
        message = f"its type is {rows.schema[str(column)]}, not {expected}"
    elif reason is pa.errors.SchemaErrorReason.DUPLICATES:
        key = error.schema.unique
        repeated = rows.height - rows.n_unique(subset=key)
        message = f"{repeated:,} rows repeat the {', '.join(key)} of another"
    elif "fewest" in statistics:
        message = f"{rows.height:,} rows, at least {statistics['fewest']:,} are expected"
    else:
        message = " ".join(str(error).split())
    return Finding(table=table, column=column, message=message)
