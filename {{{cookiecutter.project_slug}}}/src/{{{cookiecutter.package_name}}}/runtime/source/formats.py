"""Parquet and CSV: read in the types that `tables.py` declares, or say what is wrong, and where.

CSV is UTF-8 with commas and a line of names. An empty field is null, and other columns than the
declared ones are text. A time has its zone, as in 2013-06-17T12:00:00Z. Every line has an end, the
last one too: exporters write it, and without it a file that was cut off looks whole.

A column of Parquet becomes one of the declared type where that loses nothing: numbers of another
width, times of another unit or zone, categories, and a column without values.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from zoneinfo import ZoneInfo

from .. import room
from ..periods import CADENCE
from .content import BATCH

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

FORMATS = (".parquet", ".csv")
"""How the name of a file of a table ends."""

Types = Mapping[str, "pl.DataType"]
"""The declared type of each column."""

CALENDAR = -62_135_596_800_000, 253_402_300_799_999
"""The years 1 to 9999, in milliseconds since 1970: on other times, libraries fail."""

LONGEST_REASON = 200
"""Letters of what a library says of a damaged file."""

# What pyarrow says of a line; it counts the line of names.
_LINE = re.compile(r"Row #(?P<line>\d+): (?P<what>.*)")
_COLUMN = re.compile(r"In CSV column #(?P<column>\d+): ")
_VALUE = re.compile(r"CSV conversion error to .*?: (?P<why>.*)")


def declared(table: str) -> "dict[str, pl.DataType]":
    """Return the type of each column that `tables.py` declares, text where it has none."""
    import polars as pl

    columns = room.tables().TABLES[table].columns
    types = {name: getattr(column.dtype, "type", None) for name, column in columns.items()}
    schema = pl.Schema({name: dtype or pl.String for name, dtype in types.items()})
    return dict(schema)


def fault_of_time(dtype: "pl.DataType | None") -> str | None:
    """Return why a column of this type says of no row when it is, None where it does."""
    import polars as pl

    if dtype is None:
        return "the column is missing"
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return None
    what = "it has no time zone" if isinstance(dtype, pl.Datetime) else f"its type is {dtype}"
    return (
        f"{what}: deliver times with a zone, and declare them in tables.py, "
        'as in pl.Datetime("us", "UTC")'
    )


def read(name: str, content: bytes, types: Types) -> "pl.DataFrame":
    """Return the content of a file of a table.

    Raises:
        polars.exceptions.ComputeError: it is damaged; one sentence names the file, and the line.
    """
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    with _explained(name, content, types):
        if name.endswith(".csv"):
            _check_csv(io.BytesIO(content))
            table = pyarrow.csv.read_csv(io.BytesIO(content), **_csv_options(content, types))
        else:
            file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
            table = file.read()
        return _conform(_frame(table), types)


def count(name: str, content: bytes | Path, types: Types) -> int:
    """Return the number of rows of a file; for errors see `read`."""
    return read(name, content if isinstance(content, bytes) else content.read_bytes(), types).height


def days(name: str, file: Path, types: Types, time: str, zone: str) -> set[date]:
    """Return the days on which a file has rows, by the clocks of a time zone.

    A part of the file is in memory at a time, as for `split`.

    Raises:
        polars.exceptions.ComputeError: it is damaged, or rows have no time or none with a zone.
        OSError: it cannot be opened.
    """
    import polars as pl

    found: set[date] = set()
    lacking, wrong = 0, None
    with file.open("rb") as opened, _explained(name, _head(opened), types):
        for batch in _batches(name, opened, types, [time]):
            rows = _conform(_frame(batch), types)
            if wrong := fault_of_time(rows.schema.get(time)):
                break
            lacking += rows[time].null_count()
            found |= {*rows[time].drop_nulls().dt.convert_time_zone(zone).dt.date().unique()}
    if lacking:
        wrong = f"{lacking:,} rows have none, and belong to no {CADENCE.unit}"
    if wrong:
        raise pl.exceptions.ComputeError(f"{name}, `{time}`: {wrong}")
    return found


def split(
    name: str,
    file: Path,
    types: Types,
    time: str,
    parts: Mapping[Path, tuple[datetime, datetime]],
) -> None:
    """Write the rows of a file that lie between two moments as Parquet files; see `days`.

    The files appear once all are whole.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    scratch = {part: part.with_name(f"{part.name}.part") for part in parts}
    with (
        file.open("rb") as opened,
        _explained(name, _head(opened), types),
        ExitStack() as written,
    ):
        writers: dict[Path, Any] = {}
        for batch in _batches(name, opened, types):
            _conform(_frame(batch), types)  # checked
            for part, (start, end) in parts.items():
                if part not in writers:
                    writers[part] = written.enter_context(
                        pq.ParquetWriter(scratch[part], batch.schema)
                    )
                first, after = (pa.scalar(limit, batch[time].type) for limit in (start, end))
                begun = pc.greater_equal(batch[time], first)
                rows = batch.filter(pc.and_(begun, pc.less(batch[time], after)))
                if rows.num_rows:
                    writers[part].write_table(rows)
    for part, whole in scratch.items():
        whole.replace(part)


def _batches(
    name: str, file: BinaryIO, types: Types, only: list[str] | None = None
) -> "Iterator[pa.Table]":
    """Yield the rows of a file in batches, after an empty one; of the columns `only`, if given."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    if name.endswith(".csv"):
        _check_csv(file)
        head = _head(file)
        options, names = _csv_options(head, types), _names(head)
        options["convert_options"].include_columns = [each for each in only or [] if each in names]
        reader = pyarrow.csv.open_csv(file, **options)
        schema, batches = reader.schema, reader
    else:
        parquet = pq.ParquetFile(file, page_checksum_verification=True)
        columns = only or parquet.schema_arrow.names
        schema = pa.schema([field for field in parquet.schema_arrow if field.name in columns])
        batches = parquet.iter_batches(BATCH, columns=columns)
    yield schema.empty_table()
    for batch in batches:
        yield pa.Table.from_batches([batch])


def _head(file: BinaryIO) -> bytes:
    """Return the beginning of a file, with the line of names of a CSV."""
    head = file.read(2**20)
    file.seek(0)
    return head


def _frame(table: "pa.Table") -> "pl.DataFrame":
    """Return what pyarrow read as a frame whose values nothing fails on; else raise an error.

    pyarrow checks a file as it reads it, and all values afterwards: where Polars reads damaged
    Parquet itself, it may end the process.
    """
    import polars as pl

    table.validate(full=True)
    for name, times in Counter(table.column_names).items():
        if times > 1:
            raise ValueError(f"it has the column `{name}` {times} times")
    for field in table.schema:
        for zone in _zones(field.type):
            _check_zone(field.name, zone)
    return pl.DataFrame(table)


def _zones(dtype: "pa.DataType") -> Iterator[str]:
    """Yield the time zones of a type and of those inside it, as of a list of times."""
    import pyarrow as pa

    if pa.types.is_timestamp(dtype) and dtype.tz:
        yield dtype.tz
    if pa.types.is_dictionary(dtype):
        yield from _zones(dtype.value_type)
    for number in range(dtype.num_fields):
        yield from _zones(dtype.field(number).type)


def _check_zone(name: str, zone: str) -> None:
    """Raise `ValueError` where a time zone is one on which Polars fails, such as +05:30."""
    try:
        if not re.fullmatch(r"[+-]\d\d:00", zone):
            ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"`{name}` has the time zone {zone!r}: deliver times in one with a name, such as UTC"
        ) from None


def _conform(rows: "pl.DataFrame", types: Types) -> "pl.DataFrame":
    """Return rows with the declared types, but for columns that would lose something.

    Raises:
        ValueError: a time is one on which libraries fail.
    """
    import polars as pl

    for name in rows.columns:
        if name in types and isinstance(rows.schema[name], pl.Date | pl.Datetime):
            since = rows[name].cast(pl.Datetime("ms")).to_physical()
            if not since.is_between(*CALENDAR).all():
                raise ValueError(f"`{name}` has times outside of the years 1 to 9999")
    return rows.with_columns(
        _as_declared(rows[name], types[name])
        for name in rows.columns
        if name in types and rows.schema[name] != types[name]
    )


def _as_declared(values: "pl.Series", dtype: "pl.DataType") -> "pl.Series":
    """Return values in a type of the same kind, as they are where one of them would change."""
    import polars as pl

    if values.dtype == pl.Null:
        return values.cast(dtype)
    text, moment = (pl.String, pl.Categorical, pl.Enum), pl.Datetime
    alike = (
        (values.dtype.is_numeric() and dtype.is_numeric())
        or (isinstance(values.dtype, text) and isinstance(dtype, text))
        or (isinstance(values.dtype, pl.Duration) and isinstance(dtype, pl.Duration))
    )
    if isinstance(values.dtype, moment) and isinstance(dtype, moment):
        alike = (values.dtype.time_zone is None) == (dtype.time_zone is None)
    if not alike:
        return values
    cast = values.cast(dtype, strict=False)
    same = cast.cast(values.dtype, strict=False).equals(values, null_equal=True)
    return cast if same else values


@contextmanager
def _explained(name: str, content: bytes, types: Types) -> Iterator[None]:
    """Raise what a library raises of a damaged file as one sentence; `content` is its beginning."""
    import polars as pl

    try:
        yield
    except (Exception, pl.exceptions.PanicException) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk; pyarrow's own, of damage, have no number
        why = next(iter(str(error).splitlines()), type(error).__name__)
        if name.endswith(".csv"):
            what = _explain(str(error), types, content) or f": {why}"
        else:
            what = f" is not readable as Parquet: {why[:LONGEST_REASON].rstrip('.')}"
        raise pl.exceptions.ComputeError(f"{name}{what}") from error


def _check_csv(file: BinaryIO) -> None:
    """Raise `ValueError` where a CSV is not UTF-8, or where rows may be missing unnoticed.

    pyarrow closes a quote at the end of the file: all lines after it are one value.
    """
    start, quotes, end = file.read(2), 0, b""
    if start in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
        raise ValueError("it is UTF-16: deliver UTF-8")
    file.seek(0)
    while block := file.read(2**20):
        quotes, end = quotes + block.count(b'"'), block[-1:]
    file.seek(0)
    if end not in {b"", b"\n", b"\r"}:
        raise ValueError("its last line has no end: it may be cut off")
    if quotes % 2:
        raise ValueError("a quote is opened and not closed, so rows may be missing")


def _csv_options(content: bytes, types: Types) -> dict[str, Any]:
    """Return how pyarrow reads CSV; it refuses lines with too few fields, which Polars fills up."""
    from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions

    names = _names(content)
    if "\0" in "".join(names):
        raise ValueError("its line of names is no text: deliver CSV in UTF-8")
    if len(names) == 1 and re.search(r"[;\t|]", names[0]):
        raise ValueError("its line of names has no comma: separate columns by commas")
    return {
        "read_options": ReadOptions(use_threads=False),  # with threads, it does not count lines
        "parse_options": ParseOptions(newlines_in_values=True),
        "convert_options": ConvertOptions(
            column_types={name: _arrow_type(types.get(name)) for name in names},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    }


def _arrow_type(dtype: "pl.DataType | None") -> "pa.DataType":
    """Return the type that pyarrow reads a column as; categories are text before they are cast."""
    import polars as pl
    import pyarrow as pa

    if dtype is None or dtype in (pl.String, pl.Categorical, pl.Enum):
        return pa.large_string()
    column = pl.Series([], dtype=dtype)
    return column.to_arrow(compat_level=pl.CompatLevel.oldest()).type


def _names(content: bytes) -> list[str]:
    text = io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", "replace", newline="")
    return next(filter(None, csv.reader(text)), [])  # as pyarrow, without empty lines


def _explain(error: str, types: Types, content: bytes) -> str | None:
    """Return what pyarrow says of a line, in an operator's words, after the name of the file."""
    line, column, value = _LINE.search(error), _COLUMN.search(error), _VALUE.search(error)
    where = f", line {line['line']}" if line else ""
    what = line["what"].partition(": ")[0] if line else None
    if column and value:
        name = _names(content)[int(column["column"])]
        given = re.search(r"'(.*?)'", value["why"])
        dtype = types.get(name, "text")
        what = f"`{name}` is {given[0] if given else value['why']}, and no {dtype}"
        if "expected a zone offset" in value["why"]:
            what = f"`{name}` has no time zone: write times with theirs, as in 2013-06-17T12:00:00Z"
        if "UTF8" in value["why"]:
            what = f"`{name}` has a text that is not UTF-8"
    return f"{where}: {what}" if what else None
