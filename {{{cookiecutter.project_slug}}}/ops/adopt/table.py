"""Read a team's table, and cut it into the whole periods that it has."""

import csv
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from datetime import time as clock
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput, one_line
from {{{ cookiecutter.package_name }}}.runtime.periods import (
    CADENCE,
    FEWEST_PERIODS,
    bounds,
    period_of,
)
from {{{ cookiecutter.package_name }}}.runtime.source import formats, isolated

EXAMPLES = "2013-12-31, 2013-12-31 23:00 or 2013-12-31T23:00:00Z"
MISSING = ["", "NA", "N/A", "NaN", "nan", "null", "NULL"]
LONGEST_NAME = 60
UTC_TIME = pl.Datetime("us", "UTC")
WITH_ZONE = r"[T ].*(?:Z|[+-]\d\d:?\d\d)$"
"""A text of a time that has its zone."""


@dataclass(frozen=True)
class Table:
    """A table with a column of time."""

    name: str
    time: str
    zone: str
    rows: pl.DataFrame
    """Those of whole periods, in the order of time, which is of the type `UTC_TIME`."""
    period: pl.Series
    """The period of each row."""
    incomplete: tuple[str, ...]
    """The first and the last period, where rows are missing at the ends of the table."""
    query: str = ""
    """The query for the rows of a period; of a file there is none."""
    said: str = ""
    """What people need to know of how the table was read."""

    @property
    def periods(self) -> list[str]:
        """The whole periods, in order."""
        return self.period.unique().sort().to_list()


def read(file: Path, time: str, zone: str) -> Table:
    """Return a CSV or Parquet file as a table of whole periods.

    Args:
        file: its name becomes that of the table.
        time: the column of time.
        zone: where the clocks are that the column is of; empty where its values have a zone.

    Raises:
        BadInput: the file is not readable, the column is no time, or too few periods are whole.
    """
    content = _content(file)
    table = cut(content, str(file), file.name.split(".")[0], time, zone)
    said = []
    if zone:
        said.append(
            f"Periods begin and end by the clocks of {zone}; write the times of new periods with "
            "their zone."
        )
    if left_out := [repr(name) for name in content.columns if name not in table.rows.columns]:
        said.append(f"Left out, as empty or without a name: {', '.join(left_out)}.")
    if file.suffix.lower() == ".csv" and (words := _missing_words(file)):
        said.append(f"Read as missing: {', '.join(words)}.")
    return replace(table, said="\n".join(said))


def cut(rows: pl.DataFrame, where: str, name: str, time: str, zone: str) -> Table:
    """Return rows as a table of whole periods; for errors see `read`.

    Args:
        rows: as they were read.
        where: what people call the place of these.
        name: what the table is called there.
        time: the column of time.
        zone: as of `read`.
    """
    if rows.is_empty():
        raise BadInput(f"{where} has no rows.")
    rows = _tidy(rows, where)
    if time not in rows.columns:
        raise BadInput(f"{where} has no column {time!r}: it has {', '.join(rows.columns)}.")
    moments, zone = _moments(rows[time], zone)
    rows = rows.with_columns(moments.alias(time)).sort(time, maintain_order=True)
    name = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return _whole_periods(name or "rows", time, zone, rows)


def _content(file: Path) -> pl.DataFrame:
    """Return the content of a file."""
    kind = file.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise BadInput(f"{file} is neither .csv nor .parquet: convert it to one of them.")
    if not file.is_file():
        raise BadInput(f"There is no file {file}.")
    try:
        rows = _parquet(file) if kind == ".parquet" else _csv(file)
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror or one_line(error)}.") from None
    except (pl.exceptions.PolarsError, csv.Error) as error:
        raise BadInput(f"{file} cannot be read: {one_line(error)}.") from None
    if rows.width == 1:
        raise BadInput(f"{file} has one column: separate columns by commas, and name each.")
    return rows


def _parquet(file: Path) -> pl.DataFrame:
    isolated.call(formats.count, file.name, file, {})  # which a damaged file may end
    return formats.read(file.name, file.read_bytes(), {})


def _csv(file: Path) -> pl.DataFrame:
    """Return the rows of a CSV file, whose lines have as many fields as the line of names."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.reader(lines)
            count = len(next(rows, []))
            for row in rows if count > 1 else ():
                if len(row) not in (0, count):
                    raise BadInput(
                        f"{file}, line {rows.line_num}: the number of fields is {len(row)}, and "
                        f"{count} in the line of names. Put a text with a comma in quotes."
                    )
    except UnicodeDecodeError:
        raise BadInput(
            f"{file}, line {_first_undecodable(file)}: it is not UTF-8. Save the file as UTF-8, "
            "as `iconv -f latin1 -t utf-8` does."
        ) from None
    return pl.read_csv(file, null_values=MISSING, infer_schema_length=None)


def _missing_words(file: Path) -> list[str]:
    """Return the words in a CSV file that are read as missing values."""
    texts = pl.read_csv(file, infer_schema=False)
    found = set().union(*({*column.unique()} & {*MISSING[1:]} for column in texts))
    return sorted(found)


def _first_undecodable(file: Path) -> int:
    """Return the number of the first line that is not UTF-8."""
    content = file.read_bytes()
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return content.count(b"\n", 0, error.start) + 1
    return 1


def _tidy(rows: pl.DataFrame, where: str) -> pl.DataFrame:
    """Return the rows in few types, without empty columns and unnamed ones, such as an index."""
    casts = {}
    for name, dtype in rows.schema.items():
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise BadInput(
                f"{where}: the column {name[:LONGEST_NAME]!r} has an unusual name: give it one of "
                f"at most {LONGEST_NAME} letters in one line."
            )
        if dtype.is_nested() or dtype in (pl.Binary, pl.Object, pl.Duration, pl.Time):
            raise BadInput(
                f"{where}: the column {name!r} is of {dtype}: leave it out, or write numbers "
                "or text."
            )
        if dtype.is_float() and rows[name].is_infinite().any():
            raise BadInput(f"{where}: the column {name!r} has infinite values: leave them empty.")
        if dtype.is_integer():
            if rows[name].cast(pl.Int64, strict=False).null_count() > rows[name].null_count():
                raise BadInput(
                    f"{where}: the column {name!r} has numbers too large for Int64: leave it "
                    "out, or write it as text."
                )
            casts[name] = pl.col(name).cast(pl.Int64)
        elif dtype.is_numeric():
            casts[name] = pl.col(name).cast(pl.Float64).fill_nan(None)
        elif dtype in (pl.Categorical, pl.Enum):
            casts[name] = pl.col(name).cast(pl.String)
    rows = rows.with_columns(cast.alias(name) for name, cast in casts.items())
    return rows.select(
        column for column in rows if column.name.strip() and column.null_count() < rows.height
    )


def _moments(values: pl.Series, zone: str) -> tuple[pl.Series, str]:
    """Return a column of time in UTC, and the zone by whose clocks periods begin."""
    name = values.name
    if missing := values.null_count():
        raise BadInput(f"{missing:,} rows have no {name!r}: each row needs a time.")
    if values.dtype == pl.String:
        values = _parsed(values)
    if values.dtype == pl.Date:
        values = values.cast(pl.Datetime("us"))
    if not isinstance(values.dtype, pl.Datetime):
        raise BadInput(
            f"{name!r} is no column of time, but of {values.dtype}, such as {values[0]}: write "
            f"times as {EXAMPLES}."
        )
    if zone:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            raise BadInput(
                f"ZONE={zone} is no time zone: name one such as Europe/Berlin."
            ) from None
    if values.dtype.time_zone is not None:
        moments = values.cast(UTC_TIME)
        if zone not in ("", "UTC") and (moments.dt.time() == clock(0)).all():
            raise BadInput(
                f"{name!r} is always midnight in UTC, so these are dates: leave out ZONE, or write "
                "them as dates."
            )
        return moments, zone or "UTC"
    if not zone:
        raise BadInput(
            f"{name!r} has no time zone: say where its clocks are, as in ZONE=Europe/Berlin or "
            "ZONE=UTC."
        )
    moments = values.cast(pl.Datetime("us")).dt.replace_time_zone(
        zone, ambiguous="earliest", non_existent="null"
    )
    if moments.null_count():
        never = values.filter(moments.is_null())[0]
        raise BadInput(
            f"{name!r} is {never} in a row, a time that clocks in {zone} skip: give the "
            "ZONE in which it was recorded."
        )
    return moments.cast(UTC_TIME), zone


def _parsed(texts: pl.Series) -> pl.Series:
    """Return texts as times: dates, or dates and times of ISO 8601."""
    iso = texts.str.strip_chars().str.replace(" ", "T", literal=True)
    if iso.str.contains(WITH_ZONE).all():
        iso = iso.str.replace(r"Z$", "+00:00")
        formats = ["%Y-%m-%dT%H:%M:%S%.f%:z", "%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M%:z"]
        dtype = UTC_TIME
    else:
        formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d"]
        dtype = pl.Datetime("us")
    for form in formats:
        parsed = iso.str.strptime(dtype, form, strict=False)
        if not parsed.null_count():
            return parsed
    best = min(
        (iso.str.strptime(dtype, form, strict=False) for form in formats),
        key=lambda parsed: parsed.null_count(),
    )
    raise BadInput(
        f"{texts.name!r} is {texts.filter(best.is_null())[0]!r} in a row, which is no time: write "
        f"all times alike, as {EXAMPLES}."
    )


def _whole_periods(name: str, time: str, zone: str, rows: pl.DataFrame) -> Table:
    """Return the table without its first and last period where these are not whole.

    They are whole where they begin as early, and end as late, as those between.
    """
    days = rows[time].dt.convert_time_zone(zone).dt.date()
    period = days.replace_strict(
        {day: period_of(day) for day in days.unique()}, return_dtype=pl.String
    )
    ends = (
        rows.group_by(period.alias("period"))
        .agg(pl.col(time).min().alias("first"), pl.col(time).max().alias("last"))
        .sort("period")
    )
    limits = [bounds(each, zone) for each in ends["period"]]
    early = [
        _seconds(first, start) for first, (start, _) in zip(ends["first"], limits, strict=True)
    ]
    late = [_seconds(end, last) for last, (_, end) in zip(ends["last"], limits, strict=True)]
    incomplete = []
    if len(limits) > FEWEST_PERIODS:
        slack = timedelta(days=CADENCE.longest_days).total_seconds() / 100
        usual = max(early[1:-1]) + slack, max(late[1:-1]) + slack
        incomplete += [ends["period"][0]] * (early[0] > usual[0])
        incomplete += [ends["period"][-1]] * (late[-1] > usual[1])
    whole = ~period.is_in(incomplete)
    if (count := len(limits) - len(incomplete)) <= FEWEST_PERIODS:
        unit = CADENCE.unit
        raise BadInput(
            f"The table has {count} whole {unit}{'s' * (count != 1)}, and at least "
            f"{FEWEST_PERIODS + 1} are needed: {FEWEST_PERIODS} to train on, one to evaluate on."
        )
    return Table(name, time, zone, rows.filter(whole), period.filter(whole), tuple(incomplete))


def _seconds(later: datetime, earlier: datetime) -> float:
    return (later - earlier).total_seconds()
