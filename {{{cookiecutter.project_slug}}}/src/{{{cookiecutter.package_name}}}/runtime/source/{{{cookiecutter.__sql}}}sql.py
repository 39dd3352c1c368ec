"""A database as the source: the rows that the team's queries return, one query for each table.

<package>/queries/<table>.sql    of a table with a date, the rows from `:start` on and before `:end`

Each plan reads every period of its window from the database, so that a changed row is noticed. The
columns that `tables.py` declares are read in batches, in the order of the table's key.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from sqlalchemy import URL, Connection, NullPool, create_engine, make_url, text
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    NoSuchModuleError,
    ProgrammingError,
    SQLAlchemyError,
)

from .. import room
from ..errors import BadInput
from ..periods import bounds, period_of, periods_between
from . import formats
from .content import BATCH
from .kinds import Kind, Part, Rows, name_of_rows, within

if TYPE_CHECKING:
    import polars as pl

Answer = TypeVar("Answer")

VARIABLE = "SOURCE_URL"
"""Overrides a database in `source` of params.yaml, not `SOURCE`. It may have a password.

It stands in the environment, or in .env.
"""

SECRET = re.compile("pass|pwd|secret|token|odbc_connect", re.IGNORECASE)
"""Names of parameters of a URL that may hold a password."""

QUERIES = Path(__file__).parents[2] / "queries"
NAME = f"src/{QUERIES.parent.name}/queries"
"""What people call that folder."""

ALWAYS = datetime(1900, 1, 1, tzinfo=UTC), datetime(2999, 12, 31, tzinfo=UTC)
"""The bounds of all rows."""

SESSION = {
    "postgresql": (
        "SET TRANSACTION READ ONLY",
        "SET LOCAL TIME ZONE 'UTC'",
        "SET LOCAL statement_timeout = {milliseconds}",
    ),
    "sqlite": ("PRAGMA query_only = ON",),
}
"""What is set before a query, by the kind of database."""

GRACE = 10.0
"""Seconds that a database has, after its own limit of a statement, to say that it has passed."""

NAMES = (UUID, IPv4Address, IPv6Address)
"""What drivers return for keys that tables.py declares as text."""

_PASSING = ("starting up", "shutting down", "too many", "remaining connection slots")
"""What Postgres says where it refuses a connection now, and not later."""

_SORTABLE = "[0-9]" * 4 + "-[0-9][0-9]" * 2 + "T[0-9][0-9]" + ":[0-9][0-9]" * 2 + "Z"
"""Times in SQLite that can be compared with the bounds of a period, as a pattern of GLOB."""

_HOPELESS_STATES = ("0A", "22", "28", "3D", "3F", "42")
"""Classes of SQLSTATE that a retry does not cure: of the query, its names, types and grants."""
_HOPELESS_CODES = {1, 3, 11, 14, 23, 26}
"""The same among the codes of SQLite: the query, permissions, and files that are no database."""


@dataclass(frozen=True)
class Query:
    """The team's query for a table."""

    table: str
    sql: str
    columns: "Mapping[str, pl.DataType]"
    """What `tables.py` declares."""
    time: str | None
    """The column of time of a table with a date."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"{NAME}/{self.table}.sql"


def read_query(table: str) -> Query:
    """Return the query for a table.

    Raises:
        BadInput: it is missing, or its bounds are.
    """
    file, time = QUERIES / f"{table}.sql", room.tables().DATED.get(table)
    query = Query(table, "", formats.declared(table), time)
    if not file.exists():
        raise BadInput(
            f"{query.name} is missing: write the query that returns the rows "
            f"of {table}{', with :start <= ' + time + ' < :end' if time else ''}."
        )
    sql = file.read_text(encoding="utf-8").strip().removesuffix(";")
    found = set(text(sql).compile().params)
    wanted = {"start", "end"} if time else set()
    if lacking := sorted(wanted - found):
        raise BadInput(
            f"{query.name} lacks :{' and :'.join(lacking)}: let it return the rows of a period, "
            f"as in `WHERE {time} >= :start AND {time} < :end`."
        )
    if more := sorted(found - wanted):
        dated = "is not in `DATED` of tables.py" if not time else "has :start and :end alone"
        raise BadInput(
            f"{query.name} has :{' and :'.join(more)}, but {table} {dated}: remove it, or write "
            "a colon that is part of the text as \\:."
        )
    if time and (wrong := formats.fault_of_time(query.columns.get(time))):
        raise BadInput(f"tables.py, `{time}` of {table}: {wrong}.")
    return Query(table, sql, query.columns, time)


class RowsOfQuery(Rows):
    """The rows that a query returns for a period."""

    def __init__(self, database: "Database", query: Query, period: str) -> None:
        """Name the rows of a period."""
        self.database, self.query, self.period = database, query, period

    def batches(self) -> "Iterator[pl.DataFrame]":
        """Yield the rows in the order of their key, with the columns that `tables.py` declares."""
        import polars as pl

        ours, query = room.tables(), self.query
        during = bounds(self.period, ours.TIME_ZONE) if query.time else None
        quoted = {name: self.database.quoted(name) for name in query.columns}
        key = ours.TABLES[query.table].unique or quoted
        order = [self.database.sortable(name, query.columns[name]) for name in key]
        yield pl.DataFrame(schema=dict(query.columns))
        for rows in self.database.ask(query, during, [*quoted.values()], order):
            columns = zip(query.columns.items(), zip(*rows, strict=True), strict=True)
            yield pl.DataFrame(
                [_column(query, name, values, dtype) for (name, dtype), values in columns]
            )


class Database(Kind):
    """A database that SQLAlchemy reaches."""

    def __init__(self, address: str, patience: float) -> None:
        """Take the URL of a database; nothing is asked yet.

        `patience` is how many seconds to wait for an answer to a statement.

        Raises:
            BadInput: its driver is not installed, or its file is missing.
        """
        url = make_url(address)
        named = (url.drivername, url.username, None, url.host, url.port, url.database)
        self.address = str(URL.create(*named))
        self.patience, self._secrets = patience, secrets_of(url)
        if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
            raise BadInput(  # SQLite would make an empty one
                f"The source {self.address} does not exist: correct `source` in params.yaml "
                "(`make data` writes the sample)."
            )
        try:
            self._engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
        except ImportError as error:
            raise BadInput(
                f"The source {self.address} needs a package that is not installed: {error}."
            ) from error

    def periods(self) -> list[str]:
        """Return all periods from that of the first row to that of the last; see `Kind`.

        The queries are checked first.
        """
        ours = room.tables()
        queries = self.check()
        query = queries[ours.MAIN]
        time = self.quoted(str(query.time))
        [[(first, last)]] = self.ask(query, ALWAYS, [f"min({time})", f"max({time})"])
        if first is None:
            raise BadInput(
                f"The source {self.address} has no rows of {ours.MAIN}: {query.name} returns none."
            )
        days = (
            _moment(query, str(query.time), each).astimezone(ZoneInfo(ours.TIME_ZONE)).date()
            for each in (first, last)
        )
        return periods_between(*map(period_of, days))

    def check(self) -> dict[str, Query]:
        """Return the query of each table.

        Raises:
            BadInput: one lacks bounds or a column, or has one twice, or its times are no moments.
        """
        queries = {table: read_query(table) for table in room.tables().TABLES}
        for query in queries.values():
            returned = self.columns_of(query)
            for name in query.columns:
                if returned.count(name) > 1 or f"{name}:1" in returned:  # as SQLite has it
                    raise BadInput(
                        f"{query.name} returns `{name}` more than once: name the columns, as in "
                        "SELECT a.id, b.price."
                    )
            if lacking := [name for name in query.columns if name not in returned]:
                raise BadInput(
                    f"{query.name} lacks {', '.join(lacking)}, which tables.py declares: it "
                    f"returns {', '.join(returned)}."
                )
            if query.time and self._engine.dialect.name == "sqlite":
                self._check_texts(query, query.time)
        return queries

    def _check_texts(self, query: Query, name: str) -> None:
        """Raise `BadInput` where a time of SQLite does not sort with the bounds, which are text."""
        time = self.quoted(name)
        other = Query(
            query.table,
            f"SELECT * FROM (\n{query.sql}\n) WHERE {time} NOT GLOB '{_SORTABLE}' LIMIT 1",  # noqa: S608
            query.columns,
            name,
        )
        for [(given,)] in self.ask(other, ALWAYS, [time]):
            _moment(query, name, given)  # which has sentences of its own
            raise BadInput(
                f"{query.name}, `{name}` is {given!r}: SQLite compares times as text, so write "
                f"them as 2013-06-17T12:00:00Z, or return strftime('%Y-%m-%dT%H:%M:%SZ', {name}), "
                "which is UTC, and compare that with :start and :end."
            )

    def parts(self, period: str) -> dict[str, Part]:
        """Return the rows of each table; for errors see `read_query`."""
        queries = map(read_query, room.tables().TABLES)
        return {
            name_of_rows(query.table, period if query.time else None): RowsOfQuery(
                self, query, period
            )
            for query in queries
        }

    def ask(
        self,
        query: Query,
        during: tuple[datetime, datetime] | None,
        columns: list[str],
        order: list[str] | None = None,
    ) -> Iterator[Sequence[Sequence[Any]]]:
        """Yield what a query returns in batches, of which one is in memory at a time.

        Args:
            query: the team's query.
            during: its bounds, of a table with a date.
            columns: expressions of what to return.
            order: the columns by which to sort.

        Raises:
            BadInput: the database refuses the query, and will refuse it again.
            OSError: it does not answer, or the connection broke; a retry may help.
        """
        statement = f"SELECT {', '.join(columns)} FROM (\n{query.sql}\n) delivered"  # noqa: S608
        if order:
            statement += f" ORDER BY {', '.join(order)}"
        with self._connected(query) as connection:
            result = self._answer(
                query, lambda: connection.execute(text(statement), self._bounds(during))
            )
            batches = result.partitions(BATCH)
            while rows := self._answer(query, lambda: next(batches, None)):
                yield rows

    def columns_of(self, query: Query) -> list[str]:
        """Return the names of the columns that a query returns, without a row of it."""
        statement = text(f"SELECT * FROM (\n{query.sql}\n) delivered WHERE 1 = 0")  # noqa: S608
        params = self._bounds(ALWAYS if query.time else None)
        with self._connected(query) as connection:
            return list(self._answer(query, lambda: connection.execute(statement, params).keys()))

    def _bounds(self, during: tuple[datetime, datetime] | None) -> dict[str, Any]:
        """Return the values of `:start` and `:end`; SQLite has no times, but text that sorts so."""
        if during is None:
            return {}
        named = dict(zip(("start", "end"), during, strict=True))
        if self._engine.dialect.name == "sqlite":
            return {name: f"{moment:%Y-%m-%dT%H:%M:%SZ}" for name, moment in named.items()}
        return dict(named)

    def quoted(self, name: str) -> str:
        """Return a column's name as the database reads it."""
        quoted = self._engine.dialect.identifier_preparer.quote(name)
        return quoted.replace("%%", "%").replace(":", "\\:")  # as `text` reads it

    def sortable(self, name: str, dtype: "pl.DataType") -> str:
        """Return a column to sort by: text by its bytes, whatever the language of the database."""
        import polars as pl

        if dtype == pl.String and self._engine.dialect.name == "postgresql":
            return f'CAST({self.quoted(name)} AS text) COLLATE "C"'
        return self.quoted(name)

    @contextmanager
    def _connected(self, query: Query) -> Iterator[Connection]:
        """Yield a connection, in a transaction that changes nothing."""
        connection = self._answer(query, self._engine.connect)
        try:
            for setting in SESSION.get(self._engine.dialect.name, ()):
                limit = setting.format(milliseconds=int(self.patience * 1000))
                self._answer(query, partial(connection.exec_driver_sql, limit))
            yield connection.execution_options(yield_per=BATCH)
        finally:
            with suppress(TimeoutError, SQLAlchemyError):
                within(GRACE, connection.close, self.address)

    def _answer(self, query: Query, ask: Callable[[], Answer]) -> Answer:
        """Return what the database answers; it raises what `ask` does."""
        try:
            return within(self.patience + GRACE, ask, self.address)
        except SQLAlchemyError as error:
            raise self._failure(query, error) from None  # it shows the parameters

    def _failure(self, query: Query, error: SQLAlchemyError) -> Exception:
        """Return what to raise for an error: the query, and the first line of the database."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        said = next(iter(str(cause).strip().splitlines()), type(cause).__name__)
        for secret in self._secrets:
            said = said.replace(secret, "…")
        what = f"{query.name} failed at the source {self.address}: {said.rstrip('.')}"
        if _is_hopeless(error):
            return BadInput(f"{what}.")
        if getattr(cause, "sqlstate", None) == "57014":
            limit = f"`source_timeout` in params.yaml is {self.patience:g} s"
            return TimeoutError(f"{what} ({limit})")
        return ConnectionError(what)


def _is_hopeless(error: SQLAlchemyError) -> bool:
    """Return whether the database will give the same error again."""
    if not isinstance(error, DBAPIError) or isinstance(error, ProgrammingError | DataError):
        return True
    state, said = str(getattr(error.orig, "sqlstate", None) or ""), str(error.orig)
    if not state and "FATAL:" in said:  # psycopg has no SQLSTATE of a refused connection
        return not any(passing in said for passing in _PASSING)
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    return state.startswith(_HOPELESS_STATES) or code in _HOPELESS_CODES


def _column(query: Query, name: str, values: Sequence[Any], dtype: "pl.DataType") -> "pl.Series":
    """Return the values of a column with its declared type; raise `BadInput` where they have none.

    A database may lack a type: then 0 and 1 are Booleans, and text is a date.
    """
    import polars as pl

    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        moments = [None if each is None else _moment(query, name, each) for each in values]
        utc = pl.Series(name, moments, pl.Datetime(dtype.time_unit, "UTC"))
        return utc.dt.convert_time_zone(dtype.time_zone)
    if dtype == pl.String:
        values = [str(each) if isinstance(each, NAMES) else each for each in values]
    try:
        found = pl.Series(name, values, dtype)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        found = pl.Series(name, values, strict=False)
    try:
        typed, why = found.cast(dtype), None
    except pl.exceptions.PolarsError as error:
        typed, why = found, str(error).splitlines()[0]
    if found.dtype != dtype and (found.dtype.is_nested() or found.dtype == pl.Object):
        why = f"the database returns {type(values[0]).__name__}"
    elif dtype == pl.Date and any(isinstance(each, datetime) for each in values):
        why = "the time of day would be lost"
    elif found.dtype.is_numeric() and not typed.cast(pl.Float64).equals(found.cast(pl.Float64)):
        why = "digits would be lost"
    if why is not None:
        raise BadInput(
            f"{query.name}, `{name}` is no {dtype}, as tables.py declares it: {why}; cast it in "
            "the query, or declare another type."
        )
    return typed


def _moment(query: Query, name: str, value: object) -> datetime:
    """Return a moment in UTC; raise `BadInput` where a value is none, or has no time zone."""
    if isinstance(value, str):
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        raise BadInput(
            f"{query.name}, `{name}` is {value!r}, which is no time: return a type with a time "
            "zone, or text such as 2013-06-17T12:00:00Z."
        )
    if value.tzinfo is None:
        raise BadInput(
            f"{query.name}, `{name}` has no time zone: return one with the time, as in "
            f"`{name} AT TIME ZONE 'UTC'`, or text such as 2013-06-17T12:00:00Z."
        )
    return value.astimezone(UTC)


def is_database(address: str) -> bool:
    """Return whether an address is the URL of a database that SQLAlchemy knows."""
    try:
        make_url(address).get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):
        return False
    return True


def url_of(source: str) -> str:
    """Return the URL of the database: of `VARIABLE`, or `source` of params.yaml.

    Raises:
        BadInput: `source` has a password, which each run would keep with its parameters.
    """
    if secrets_of(make_url(source)):
        raise BadInput(
            f"`source` in params.yaml has a password, and each run keeps its parameters: set "
            f"{VARIABLE} in .env instead, see .env.example."
        )
    given = source if os.environ.get("SOURCE") else configured_url() or source
    if not is_database(given):
        raise BadInput(
            f"{VARIABLE} is not the URL of a database, or SQLAlchemy lacks the package for its "
            "kind: see .env.example."
        )
    return given


def secrets_of(url: URL) -> list[str]:
    """Return what nobody may read of a URL: its password, and parameters that may hold one."""
    query = {name: value for name, value in url.query.items() if SECRET.search(name)}
    found = [str(url.password or ""), *map(str, query.values())]
    return [secret for secret in found if secret]


def configured_url() -> str | None:
    """Return the value of `VARIABLE`, None where it has none."""
    file = dotenv_values(Path(".env"), interpolate=False)
    return os.environ.get(VARIABLE) or file.get(VARIABLE) or None
