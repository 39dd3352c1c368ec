"""Where data arrive as files, Parquet or CSV, in a folder or anything that fsspec can open.

<source>/<table>/period=<period>/*.parquet     tables with a date, as `DATED` in `tables.py`
<source>/<table>/*.parquet                     the others, whole
<source>/<table>.parquet                       either: all rows that there are, in one file

`PARTITIONS` of `periods.py` has what the folder of a period may be called. Of one file with all
rows, a period has those with their time in it. It is read whole: what is too large, partition.
"""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from upath import UPath

from .. import room
from ..errors import BadInput, redact
from ..files import is_local
from ..periods import CADENCE, EXAMPLE, PARTITIONS, bounds, is_period, period_of
from . import formats
from .content import sha256
from .kinds import Kind, Part, Rows, name_of_rows, table_of, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

Answer = TypeVar("Answer")

CLOSED = (PermissionError, IsADirectoryError, ImportError, ValueError)
"""What reading raises where a retry does not help."""

_VERSIONS = ("version_id", "generation", "ETag", "etag", "content_md5")
"""What file systems call the version of a file's content, where they know it."""


class Delivered(Part):
    """A file of the source, which becomes one of a run, byte for byte."""

    def __init__(self, source: "Source", name: str, file: UPath) -> None:
        """Name a file of a source."""
        self.source, self.name, self.file = source, name, file
        self.at_hand = is_local(file)

    def checksum(self) -> str:
        """Return its SHA-256."""
        return sha256(self.source.read(self.file))

    def version(self) -> str | None:
        """Return what names its content, None where the source has no name for it."""
        return self.source.version(self.file)

    def save(self, file: Path) -> str:
        """Copy it."""
        content = self.source.read(self.file)
        file.write_bytes(content)
        return sha256(content)

    def read(self) -> "pl.DataFrame":
        """Return its rows."""
        return formats.read(table_of(self.name), self.name, self.source.read(self.file))


class RowsOfFile(Rows):
    """The rows of a period in a file that has those of all periods."""

    def __init__(self, source: "Source", table: str, file: UPath, period: str) -> None:
        """Name a period of a file of a source."""
        self.source, self.table, self.file, self.period = source, table, file, period

    def batches(self) -> "Iterator[pl.DataFrame]":
        """Yield the rows in the order of their key, at once."""
        import polars as pl

        ours = room.tables()
        start, end = bounds(self.period, ours.TIME_ZONE)
        moment = pl.col(ours.DATED[self.table])
        rows = self.source.all_rows(self.table, self.file)
        rows = rows.filter(moment.is_between(start, end, closed="left"))
        key = ours.TABLES[self.table].unique or []
        yield rows.sort([name for name in key if name in rows.columns] or rows.columns)


class Source(Kind):
    """The files below an address: a folder, or anything that fsspec can open."""

    def __init__(self, address: str, patience: float | None = None) -> None:
        """Take the address of a source; nothing is read yet.

        `patience` is how many seconds to wait for a file or a listing; None: as long as it takes.

        Raises:
            BadInput: no file system is known for such an address.
        """
        self.address = address
        self.patience = patience
        self._rows: dict[str, pl.DataFrame] = {}
        self._reading = Lock()
        try:
            self.root = UPath(address)
        except (ValueError, ImportError) as error:
            raise self._closed(error) from error

    def periods(self) -> list[str]:
        """Return the periods delivered so far, in order; for errors see `Kind`."""
        main = room.tables().MAIN
        if file := self._whole(main):
            return self._periods_of(main, file)
        folders: dict[str, list[str]] = {}
        for folder in self._inside(main):
            key, _, period = folder.partition("=")
            if key in PARTITIONS and is_period(period):
                folders.setdefault(period, []).append(f"{main}/{folder}")
        if not folders:
            raise BadInput(
                f"The source {self.address} has no {CADENCE.unit} of {main}, such as "
                f"{main}/{PARTITIONS[0]}={EXAMPLE}: correct `source` in params.yaml, or deliver "
                "one (`make data` writes the sample)."
            )
        for found in folders.values():
            self._refuse_two(found)
        return sorted(folders)

    def _periods_of(self, table: str, file: UPath) -> list[str]:
        """Return the periods that a file with all rows has, in order."""
        ours = room.tables()
        moments = self.all_rows(table, file)[ours.DATED[table]]
        days = moments.dt.convert_time_zone(ours.TIME_ZONE).dt.date().unique()
        if days.is_empty():
            raise BadInput(f"The source {self.address} has no rows in {file.name}: deliver some.")
        return sorted({period_of(day) for day in days})

    def parts(self, period: str) -> dict[str, Part]:
        """Return the parts of a period by name; for errors see `Kind`."""
        ours = room.tables()
        parts: dict[str, Part] = {}
        for table in ours.TABLES:
            if (file := self._whole(table)) is None:
                parts |= self._files(table, period)
            elif table in ours.DATED:
                parts[name_of_rows(table, period)] = RowsOfFile(self, table, file, period)
            else:
                name = f"{table}/{file.name}"
                parts[name] = Delivered(self, name, file)
        return parts

    def _files(self, table: str, period: str) -> dict[str, Part]:
        """Return the files in the folder of a table, or of a period of it."""
        dated = [f"{table}/{key}={period}" for key in PARTITIONS]
        folders = dated if table in room.tables().DATED else [table]
        inside = {folder: self._inside(folder) for folder in folders}
        self._refuse_two([folder for folder, files in inside.items() if files])
        found = {
            f"{folder}/{name}": file for folder in folders for name, file in inside[folder].items()
        }
        return {
            name: Delivered(self, name, file)
            for name, file in found.items()
            if name.endswith(formats.FORMATS)
        }

    def _whole(self, table: str) -> UPath | None:
        """Return the one file that has all rows of a table, None where it has a folder or none."""
        names = [f"{table}{ending}" for ending in formats.FORMATS]
        there = [name for name in (*names, table) if name in self._top]
        if len(there) > 1:
            raise BadInput(
                f"The source {self.address} has {table} twice, as {' and as '.join(there)}: remove "
                "one of them."
            )
        return self._top[there[0]] if there and there[0] in names else None

    @cached_property
    def _top(self) -> dict[str, UPath]:
        """What lies directly in the source, by name."""
        return self._inside()

    def all_rows(self, table: str, file: UPath) -> "pl.DataFrame":
        """Return the rows of all periods, each with its time; the file is read once.

        Raises:
            BadInput: it cannot be read, it is damaged, or a row has no time or none with a zone.
            OSError: the source does not answer; a retry may help.
        """
        with self._reading:
            if table not in self._rows:
                self._rows[table] = self._all_rows(table, file)
            return self._rows[table]

    def _all_rows(self, table: str, file: UPath) -> "pl.DataFrame":
        import polars as pl

        time, content = room.tables().DATED[table], self.read(file)
        try:
            rows = formats.read(table, file.name, content)
        except pl.exceptions.PolarsError as error:
            raise self._closed(error) from error
        wrong = formats.fault_of_time(rows.schema.get(time))
        if wrong is None and (lacking := rows[time].null_count()):
            wrong = f"{lacking:,} rows have none, and belong to no {CADENCE.unit}"
        if wrong is not None:
            raise BadInput(
                f"The source {self.address} cannot be read: {file.name}, `{time}`: {wrong}."
            )
        return rows

    def _refuse_two(self, folders: list[str]) -> None:
        """Raise `BadInput` where a period has a folder by each of two names."""
        if len(folders) > 1:
            raise BadInput(
                f"The source {self.address} has one period twice, as {' and as '.join(folders)}: "
                "remove one of the folders."
            )

    def version(self, file: UPath) -> str | None:
        """Return what names the content of one of its `files`, None where the source has no name.

        It raises what `read` does.
        """

        def ask() -> dict[str, Any]:
            file.fs.invalidate_cache()  # fsspec caches listings
            info: dict[str, Any] = file.fs.info(file.path)
            return info

        info = self._answer(ask)
        found = next((f"{name} {info[name]}" for name in _VERSIONS if info.get(name)), None)
        return found and f"{redact(str(file))} {found}"

    def _inside(self, folder: str = "") -> dict[str, UPath]:
        """Return what lies in a folder, by name and in order; nothing where there is no folder."""
        place = self.root / folder if folder else self.root
        try:
            # Not with `glob`: to it, a folder that we may not look into is an empty one.
            inside = self._answer(lambda: sorted(place.iterdir(), key=str))
            return {path.name: path for path in inside}
        except (FileNotFoundError, NotADirectoryError):
            return {}

    def read(self, file: UPath) -> bytes:
        """Return the content of one of its `files`.

        Raises:
            BadInput: we may not read it.
            OSError: the source does not answer; a retry may help.
        """
        return self._answer(file.read_bytes)

    def _answer(self, ask: Callable[[], Answer]) -> Answer:
        """Return what the source answers; it raises what `read` does."""
        try:
            if self.patience is None:
                return ask()
            return within(self.patience, ask, redact(self.address))
        except CLOSED as error:
            raise self._closed(error) from error

    def _closed(self, error: Exception) -> BadInput:
        return BadInput(redact(f"The source {self.address} cannot be read: {error}."))
