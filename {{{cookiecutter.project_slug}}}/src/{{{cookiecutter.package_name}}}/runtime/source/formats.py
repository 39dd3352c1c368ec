"""Parquet and CSV: read with the types that `tables.py` declares, or say what is wrong, and where.

CSV is UTF-8 with commas and a line of names. An empty field is null, and other columns than the
declared ones are text. A time has its zone, as in 2013-06-17T12:00:00Z.
"""

import csv
import io
import re
from typing import TYPE_CHECKING

from .. import room

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

FORMATS = (".parquet", ".csv")
"""How the name of a file of a table ends."""

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


def read(table: str, name: str, content: bytes) -> "pl.DataFrame":
    """Return the content of a file of a table.

    Raises:
        polars.exceptions.ComputeError: it is damaged; one sentence names the file, and the line.
    """
    import polars as pl

    if not name.endswith(".csv"):
        try:
            return pl.read_parquet(io.BytesIO(content))
        except pl.exceptions.PolarsError as error:
            why = f"{name} is not readable as Parquet"
            raise pl.exceptions.ComputeError(why) from error
    import pyarrow as pa

    try:
        return _read_csv(table, content)
    except (pa.ArrowException, pl.exceptions.PolarsError, ValueError) as error:
        raise pl.exceptions.ComputeError(f"{name}{_explain(str(error), table, content)}") from error


def _read_csv(table: str, content: bytes) -> "pl.DataFrame":
    """Return CSV as a table; pyarrow refuses lines with too few fields, which Polars fills up."""
    import polars as pl
    import pyarrow.csv

    types = declared(table)
    read = pyarrow.csv.read_csv(
        io.BytesIO(content),
        pyarrow.csv.ReadOptions(use_threads=False),  # with threads, it does not count lines
        pyarrow.csv.ParseOptions(newlines_in_values=True),
        pyarrow.csv.ConvertOptions(
            column_types={name: _arrow_type(types.get(name)) for name in _names(content)},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    found = pl.DataFrame(read)
    return found.cast({name: types[name] for name in found.columns if name in types})


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
    return next(csv.reader(text), [])


def _explain(error: str, table: str, content: bytes) -> str:
    """Return what pyarrow says, in an operator's words, after the name of the file."""
    line, column, value = _LINE.search(error), _COLUMN.search(error), _VALUE.search(error)
    where = f", line {line['line']}" if line else ""
    what = line["what"].partition(": ")[0] if line else error.splitlines()[0]
    if column and value:
        name = _names(content)[int(column["column"])]
        given = re.search(r"'(.*?)'", value["why"])
        dtype = declared(table).get(name, "text")
        what = f"`{name}` is {given[0] if given else value['why']}, and no {dtype}"
        if "expected a zone offset" in value["why"]:
            what = f"`{name}` has no time zone: write times with theirs, as in 2013-06-17T12:00:00Z"
    return f"{where}: {what}"
