"""Read a team's table from the database that is the source, and draft the query for its rows.

A file takes the place of the database: then the project reads data/source.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import NoneType
from typing import Any

import polars as pl
from sqlalchemy import make_url

from {{{ cookiecutter.package_name }}}.runtime.config import Params
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput, one_line
from {{{ cookiecutter.package_name }}}.runtime.source.sql import Database, Query, url_of

from .project import DATA, PARAMS_FILE, QUERIES, SAMPLE_DATA
from .table import WITH_ZONE, Table, cut

MOST_ROWS = 500_000
"""The draft is made from so many of the newest rows, which are in memory."""

DEPENDENTS = (Path("dvc.yaml"), Path("ops/compose.yaml"))
"""Files that name the source, beside params.yaml."""

SQLITE_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"
"""The text of times that can be compared with the bounds of a period in SQLite."""


@dataclass(frozen=True)
class WholeTable(Query):
    """All rows of a table, for which the team has no query yet."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"reading {self.table}"


def read(name: str, time: str, zone: str, params: Params) -> Table:
    """Return a table of the source as one of whole periods, with the query for a period.

    Args:
        name: the table; with its schema, if that is not the default one.
        time: the column of time.
        zone: where the clocks are that the column is of; empty where its values have a zone.
        params: they name the database.

    Raises:
        BadInput: the database or the table cannot be read; else as `table.read` does.
    """
    address = url_of(params.source)
    database = Database(address, params.source_timeout)
    quoted = _escaped(".".join(map(database.quoted, name.split("."))))
    whole = WholeTable(name, f"SELECT * FROM {quoted}", {}, None)  # noqa: S608
    try:
        rows = _newest_rows(database, whole, time)
    except (BadInput, OSError) as error:
        raise BadInput(
            f"{name} is no file, and cannot be read as a table: {one_line(error).rstrip('.')}."
        ) from None
    table = cut(rows, f"The table {name}", name.rsplit(".", maxsplit=1)[-1], time, zone)
    kept = {column: _escaped(database.quoted(column)) for column in table.rows.columns}
    moment = _moment(kept[time], rows[time], zone, make_url(address).get_backend_name())
    said = f"Read: the newest {rows.height:,} rows." if rows.height >= MOST_ROWS else ""
    return replace(table, query=_query(quoted, kept, time, moment), said=said)


def _newest_rows(database: Database, whole: Query, time: str) -> pl.DataFrame:
    """Return the newest rows of a table, the newest first."""
    names = database.columns_of(whole)
    quoted = [_escaped(database.quoted(name)) for name in names]
    order = [f"{_escaped(database.quoted(time))} DESC"] if time in names else []
    parts, count = [pl.DataFrame(schema=names)], 0
    for batch in database.ask(whole, None, quoted, order):
        columns = zip(names, zip(*batch, strict=True), strict=True)
        parts.append(pl.DataFrame([_column(name, values) for name, values in columns]))
        count += len(batch)
        if count >= MOST_ROWS:
            break
    try:
        return pl.concat(parts, how="vertical_relaxed")
    except pl.exceptions.PolarsError as error:
        raise BadInput(f"a column has values of several types: {one_line(error)}") from None


def _column(name: str, values: Sequence[Any]) -> pl.Series:
    """Return the values of a column with their type; where a database has none, they may differ."""
    dtype = pl.Float64 if {*map(type, values)} - {NoneType} == {int, float} else None
    try:
        return pl.Series(name, values, dtype)
    except (TypeError, OverflowError, pl.exceptions.PolarsError) as error:
        raise BadInput(
            f"the column {name!r} has values of several types, {one_line(error)}: cast it in a view"
        ) from None


def _moment(column: str, values: pl.Series, zone: str, backend: str) -> str:
    """Return the expression of a column of time that can be compared with `:start` and `:end`.

    Raises:
        BadInput: the database cannot calculate the time in UTC.
    """
    if isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone:
        return column
    text = values.dtype == pl.String
    with_zone = text and values.str.contains(WITH_ZONE).all()
    if backend == "sqlite" and text and values.str.contains(SQLITE_TIME).all():
        return column
    if backend == "sqlite" and (with_zone or zone == "UTC"):
        return f"strftime('%Y-%m-%dT%H:%M:%SZ', {column})"
    if backend == "postgresql" and with_zone:
        return f"CAST({column} AS timestamptz)"
    if backend == "postgresql":
        return f"CAST({column} AS timestamp) AT TIME ZONE '{zone}'"
    raise BadInput(
        f"The column {values.name!r} has no time zone that a query could use: write times in UTC, "
        "such as 2013-12-31T23:00:00Z, or adopt the table as a file."
    )


def _query(quoted: str, columns: dict[str, str], time: str, moment: str) -> str:
    """Return the query for the rows of a period; `columns` are quoted, by name."""
    returned = columns | ({time: f"{moment} AS {columns[time]}"} if moment != columns[time] else {})
    names = ",\n    ".join(returned.values())
    return f"SELECT\n    {names}\nFROM {quoted}\nWHERE {moment} >= :start AND {moment} < :end\n"


def _escaped(text: str) -> str:
    """Return a part of a query in which no colon begins a parameter."""
    return text.replace(":", r"\:")


def write_query(table: Table, staging: Path) -> None:
    """Write the query for the rows of a period."""
    file = staging / QUERIES / f"{table.name}.sql"
    file.parent.mkdir()
    file.write_text(table.query, encoding="utf-8")


def read_files(staging: Path) -> None:
    """Let the drafted params.yaml, and what depends on its source, name files."""
    drafted = staging / PARAMS_FILE
    drafted.write_text(with_files(drafted.read_text(encoding="utf-8")), encoding="utf-8")
    for file in DEPENDENTS:
        if file.exists():
            (staging / file).parent.mkdir(exist_ok=True)
            text = with_files(file.read_text(encoding="utf-8"))
            (staging / file).write_text(text, encoding="utf-8")


def with_files(text: str) -> str:
    """Return params.yaml, dvc.yaml or compose.yaml with data/source in place of the database."""
    source = f"source: {DATA}        # where data arrive: a folder, or the URL of a database"
    text = re.sub(r"(?m)^source:.*", source, text)
    text = re.sub(r"- \$\{src\}/queries\b.*", "- ${source}", text)
    return text.replace(str(SAMPLE_DATA), str(DATA))
