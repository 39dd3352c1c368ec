"""The content of a run's files: by which checksum it is known, and whether a file has it.

A delivered file is known by the SHA-256 of its bytes, 64 hex. Rows are known by `rows-` and 32 hex,
which depend on columns, types and values, but not on the order of rows or columns.
"""

import hashlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from upath import UPath

from ..errors import BadInput
from ..files import is_local

if TYPE_CHECKING:
    import polars as pl

ROWS = "rows-"
"""The start of a checksum of rows."""

BATCH = 20_000
"""Rows that are in memory at once."""


def sha256(content: bytes) -> str:
    """Return the checksum by which a delivered file is known, in hex."""
    return hashlib.sha256(content).hexdigest()


_REFUSED = {"Int128", "UInt128", "Object"}


class RowsChecksum:
    """The checksum of rows that come in batches, in any order: the sum of a hash of each.

    What is hashed is text that no version of a library formats in another way: of floats the bits,
    and of times the number of units, each as an integer.
    """

    def __init__(self, schema: "pl.Schema") -> None:
        """Begin the checksum of rows with these columns.

        Raises:
            BadInput: a column has a type whose values have no lasting text.
        """
        for name, dtype in schema.items():
            if dtype.is_nested() or dtype.base_type().__name__ in _REFUSED:
                raise BadInput(
                    f"`{name}` is {dtype}, and rows are known by columns of plain values: deliver "
                    "the table as a file for each period, or the column as text or numbers."
                )
        self.count, self._sum, self._columns = 0, 0, sorted(schema)
        self._types = [f"{name!r} {_type_name(schema[name])}" for name in self._columns]

    def add(self, rows: "pl.DataFrame") -> None:
        """Add a batch."""
        import polars as pl

        texts = pl.DataFrame([_as_text(rows[name]) for name in self._columns])
        # The length before each value keeps it apart from the next one; no null has a length.
        lines = texts.select(
            pl.concat_str(
                pl.format("{}:{}", pl.col(name).str.len_bytes(), name).fill_null("-")
                for name in self._columns
            )
        )
        hashes = (hashlib.blake2b(line.encode(), digest_size=16) for line in lines.to_series())
        self._sum += sum(int.from_bytes(each.digest()) for each in hashes)
        self.count += rows.height

    def __str__(self) -> str:
        """Return the checksum of the rows so far."""
        what = f"{self._types} {self.count} {self._sum % 2**128}"
        return ROWS + hashlib.blake2b(what.encode(), digest_size=16).hexdigest()


def _type_name(dtype: "pl.DataType") -> str:
    unit, zone = (getattr(dtype, name, None) or "" for name in ("time_unit", "time_zone"))
    return f"{dtype.base_type().__name__} {unit} {zone}".strip()


def _as_text(values: "pl.Series") -> "pl.Series":
    """Return values as text that depends on nothing but them."""
    import numpy as np
    import polars as pl

    if values.dtype.is_float():
        floats = values.cast(pl.Float64).fill_nan(float("nan")) + 0.0  # one zero, and one NaN
        bits = pl.Series(values.name, floats.fill_null(0.0).to_numpy().view(np.int64))
        values = bits.zip_with(values.is_not_null(), pl.Series(values.name, [None], pl.Int64))
    elif values.dtype.is_temporal():
        values = values.to_physical()
    elif values.dtype == pl.Binary:
        values = values.bin.encode("hex")
    return values.cast(pl.String)


def write_rows(batches: "Iterator[pl.DataFrame]", file: Path) -> str:
    """Write batches of rows as Parquet, and return the checksum of their content."""
    import polars as pl
    import pyarrow.parquet as pq

    oldest = pl.CompatLevel.oldest()
    first = next(batches)
    checksum = RowsChecksum(first.schema)
    with pq.ParquetWriter(file, first.to_arrow(compat_level=oldest).schema) as writer:
        for batch in chain([first], batches):
            checksum.add(batch)
            writer.write_table(batch.to_arrow(compat_level=oldest))
    return str(checksum)


def rows_if_intact(file: UPath, checksum: str) -> int | None:
    """Return how many rows a file has, None where it is missing or its content is not what it was.

    Raises:
        OSError: the file cannot be read; a retry may help.
    """
    with TemporaryDirectory() as folder:
        local = Path(file.path) if is_local(file) else Path(folder) / "rows"
        try:
            if not is_local(file):  # so that no error of the store is taken for damage
                file.fs.get_file(file.path, str(local))
            return _rows_if_intact(local, checksum)
        except FileNotFoundError:
            return None


def _rows_if_intact(file: Path, checksum: str) -> int | None:
    import polars as pl
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as parquet:
            found = RowsChecksum(pl.Schema(parquet.schema_arrow))
            for batch in parquet.iter_batches(BATCH):
                found.add(pl.DataFrame(batch))
    except pa.ArrowException:
        return None
    except OSError as error:
        if error.errno is not None:  # of the disk; pyarrow's own, of damage, have no number
            raise
        return None
    return found.count if str(found) == checksum else None


def is_intact(file: UPath, checksum: str) -> bool:
    """Return whether a file has the content that is known by a checksum."""
    if checksum.startswith(ROWS):
        return rows_if_intact(file, checksum) is not None
    return sha256(file.read_bytes()) == checksum
