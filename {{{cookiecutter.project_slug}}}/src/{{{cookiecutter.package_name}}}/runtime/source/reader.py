"""Where data arrive as files, Parquet or CSV, in a folder or anything that fsspec can open.

<source>/<table>/period=<period>/*.parquet     tables with a date, as `DATED` in `tables.py`
<source>/<table>/*.parquet                     the others, whole
<source>/<table>.parquet                       either: all rows that there are, in one file

`PARTITIONS` of `periods.py` has what the folder of a period may be called. Of one file with all
rows, a period has those with their time in it.

Hidden files and markers are ignored, see `is_ignored`. Whatever else lies there and is not read is
a fault: of its period, or of the source where it belongs to none.
"""

import re
import shutil
import weakref
from collections.abc import Callable
from datetime import date
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from upath import UPath

from .. import room
from ..errors import BadInput, redact
from ..files import is_local
from ..periods import CADENCE, EXAMPLE, PARTITIONS, bounds, is_period, period_of
from . import formats, isolated
from .content import BATCH, sha256
from .kinds import Kind, Part, Rows, Unread, name_of_rows, table_of, within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import polars as pl

Answer = TypeVar("Answer")

CLOSED = (PermissionError, IsADirectoryError, ImportError, ValueError)
"""What reading raises where a retry does not help."""

_PERIOD = re.compile(CADENCE.pattern.strip("^$"), re.ASCII)

_LOGS = {"_delta_log": "a Delta", ".hoodie": "a Hudi"}
"""The logs of tables whose files are not all valid, by name."""

_SECOND = re.compile(r"[\W_]*($|(copy|part)(?![a-z])|\d)")
"""What follows the name of a table in that of a second file, as in `orders (1).csv`."""

_VERSIONS = ("version_id", "generation", "ETag", "etag", "content_md5")
"""What file systems call the version of a file's content, where they know it."""


def is_ignored(name: str) -> bool:
    """Return whether a file or folder is hidden, or a marker or checksum that some tool writes.

    So are `.DS_Store`, `._part-0.parquet`, `_SUCCESS`, `_temporary`, `part-0.parquet.crc`, and
    `period_$folder$`, which stands for a folder in an object store.
    """
    return name.startswith((".", "_")) or name.endswith((".crc", "_$folder$")) or not name


def _printable(name: str) -> str:
    """Return a name with escapes in place of what cannot be written."""
    return name if name.isprintable() else name.encode("unicode_escape").decode()


def _period_in(name: str) -> str | None:
    """Return the period that a name holds, None where there is none."""
    found = _PERIOD.search(name)
    return found[0] if found and is_period(found[0]) else None


def _is_like(name: str, table: str) -> bool:
    """Return whether a name is a second one of a table, such as `Orders.pq` or `orders-2.csv`."""
    name = name.strip()
    start, rest = name[: len(table)], name[len(table) :].partition(".")[0]
    return start.lower() == table.lower() and _SECOND.match(rest.lower()) is not None


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
        content, types = self.source.read(self.file), formats.declared(table_of(self.name))
        if not self.source.examined:
            isolated.call(formats.count, self.name, content, types)
        return formats.read(self.name, content, types)


class RowsOfFile(Rows):
    """The rows of a period in a file that has those of all periods."""

    def __init__(self, source: "Source", table: str, file: UPath, period: str) -> None:
        """Name a period of a file of a source."""
        self.source, self.table, self.file, self.period = source, table, file, period

    def batches(self) -> "Iterator[pl.DataFrame]":
        """Yield the rows in the order of their key."""
        content = self.source.rows_of(self.table, self.file, self.period).read_bytes()
        rows = formats.read(self.table, content, formats.declared(self.table))
        key = room.tables().TABLES[self.table].unique or []
        rows = rows.sort([name for name in key if name in rows.columns] or rows.columns)
        yield rows.clear()
        yield from rows.iter_slices(BATCH)


class Source(Kind):
    """The files below an address: a folder, or anything that fsspec can open."""

    def __init__(
        self, address: str, patience: float | None = None, *, examined: bool = False
    ) -> None:
        """Take the address of a source; nothing is read yet.

        Args:
            address: a folder, or what fsspec can open.
            patience: how many seconds to wait for a file or a listing; None: as long as it takes.
            examined: whether the files that are read could all be read before.

        Raises:
            BadInput: no file system is known for such an address.
        """
        self.address = address
        self.patience = patience
        self.examined = examined
        self._asked: dict[str, set[str]] = {}
        """The periods that were asked for of each table in one file."""
        self._days: dict[str, set[date]] = {}
        self._remote_folders: set[str] = set()
        self._listed: dict[str, tuple[dict[str, list[str]], list[str]]] = {}
        self._reading = Lock()
        try:
            self.root = UPath(address)
        except (ValueError, ImportError) as error:
            raise self._closed(error) from error

    def periods(self) -> list[str]:
        """Return the periods delivered so far, in order; for errors see `Kind`."""
        main = room.tables().MAIN
        self._refuse_strays()
        if file := self._whole(main):
            days = self._days_of(main, file)
            if not days:
                raise BadInput(
                    f"The source {self.address} has no rows in {file.name}: deliver some."
                )
            return sorted({period_of(day) for day in days})
        folders, others = self._folders(main)
        strays = {period for name in others if (period := _period_in(name))}
        if not folders and not strays:
            raise BadInput(
                f"The source {self.address} has no {CADENCE.unit} of {main}, such as "
                f"{main}/{PARTITIONS[0]}={EXAMPLE}: correct `source` in params.yaml, or deliver "
                "one (`make data` writes the sample)."
            )
        for found in folders.values():
            self._refuse_two(found)
        return sorted(folders.keys() | strays)

    def _refuse_strays(self) -> None:
        """Raise `BadInput` where something is called like a table or a period, and is neither."""
        ours = room.tables()
        known = {f"{table}{ending}" for table in ours.TABLES for ending in ("", *formats.FORMATS)}
        for table in ours.TABLES:
            wanted = {
                name: table for name in self._top if name not in known and _is_like(name, table)
            }
            if table in ours.DATED and not self._whole(table):
                _, others = self._folders(table)
                nowhere = [name for name in others if not _period_in(name)]
                example = f"{table}/{PARTITIONS[0]}={EXAMPLE}"
                wanted |= {f"{table}/{name}": example for name in nowhere}
            for name, like in wanted.items():
                raise BadInput(
                    f"The source {self.address} has {name}, which is not read: name it like "
                    f"{like}, or remove it."
                )

    def parts(self, period: str) -> dict[str, Part]:
        """Return the parts of a period by name; for errors see `Kind`."""
        ours = room.tables()
        parts: dict[str, Part] = {}
        for table in ours.TABLES:
            if (file := self._whole(table)) is None:
                parts |= self._files(table, period)
            elif table in ours.DATED:
                self._asked.setdefault(table, set()).add(period)
                parts[name_of_rows(table, period)] = RowsOfFile(self, table, file, period)
            else:
                name = f"{table}/{file.name}"
                parts[name] = Delivered(self, name, file)
        return parts

    def _files(self, table: str, period: str) -> dict[str, Part]:
        """Return the files in the folder of a table, or of a period of it."""
        folders: list[str] = [table]
        strays: list[str] = []
        if table in room.tables().DATED:
            by_period, strays = self._folders(table)
            folders = by_period.get(period, [])
        inside = {folder: self._inside(folder) for folder in folders}
        self._refuse_two([folder for folder, files in inside.items() if files])
        found = {
            f"{folder}/{name}": file for folder in folders for name, file in inside[folder].items()
        }
        parts = {name: self._part(name, file) for name, file in found.items()}
        for name in strays:
            if _period_in(name) == period:
                parts[f"{table}/{name}"] = Unread(f"{table}/{name}", "period")
        return parts

    def _folders(self, table: str) -> tuple[dict[str, list[str]], list[str]]:
        """Return the folders of a dated table by period, and the names of what else lies there."""
        if table in self._listed:
            return self._listed[table]
        folders: dict[str, list[str]] = {}
        others = []
        for name in self._inside(table):
            key, _, period = name.partition("=")
            if key in PARTITIONS and is_period(period):
                folders.setdefault(period, []).append(f"{table}/{name}")
            else:
                others.append(name)
        self._listed[table] = folders, others
        return folders, others

    def _part(self, name: str, file: UPath) -> Part:
        """Return the part that a file is, or a folder where a file is expected."""
        if not file.name.isprintable():
            kind = "name"
        elif str(file) in self._remote_folders or (is_local(file) and self._answer(file.is_dir)):
            kind = "folder"
        elif is_local(file) and not self._answer(file.is_file):
            kind = "no file"
        elif not name.endswith(formats.FORMATS):
            kind = "ending"
        else:
            return Delivered(self, name, file)
        return Unread(name, kind)

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

    def _days_of(self, table: str, file: UPath) -> set[date]:
        """Return the days on which a file has rows of all periods; for errors see `rows_of`."""
        if table not in self._days:
            zone = room.tables().TIME_ZONE
            self._days[table] = self._examine(formats.days, table, file, zone)
        return self._days[table]

    def rows_of(self, table: str, file: UPath, period: str) -> Path:
        """Return a Parquet file with the rows of a period in a file that has those of all periods.

        The file is read once for all periods whose `parts` were asked for, a part at a time.

        Raises:
            BadInput: it cannot be read, it is damaged, or a row has no time or none with a zone.
            OSError: the source does not answer; a retry may help.
        """
        with self._reading:
            part = self._scratch / f"{table}-{period}.parquet"
            if not part.exists():
                self._days_of(table, file)
                zone = room.tables().TIME_ZONE
                limits = {
                    self._scratch / f"{table}-{each}.parquet": bounds(each, zone)
                    for each in self._asked[table]
                }
                self._examine(formats.split, table, file, limits)
            return part

    def _examine(
        self, function: Callable[..., Answer], table: str, file: UPath, *given: Any
    ) -> Answer:
        """Return what a function of `formats` finds in a file of a table; see `rows_of`."""
        import polars as pl

        place = Path(file.path).absolute()
        if not is_local(file):
            place = self._scratch / file.name
            if not place.exists():
                self._answer(lambda: file.fs.get_file(file.path, str(place)))
        time = room.tables().DATED[table]
        try:
            return isolated.call(function, file.name, place, formats.declared(table), time, *given)
        except (pl.exceptions.PolarsError, *CLOSED) as error:
            raise self._closed(error) from error

    @cached_property
    def _scratch(self) -> Path:
        """A folder of this machine, which is removed with this object."""
        folder = mkdtemp()
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

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
        """Return what lies in a folder and is not ignored, by name and in order.

        Nothing where there is no folder.
        """
        place = self.root / folder if folder else self.root
        try:
            inside = self._answer(lambda: sorted(self._list(place), key=str))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        for path in inside:
            if path.name in _LOGS:
                raise BadInput(
                    f"The source {self.address} cannot be read: {folder or 'it'} is "
                    f"{_LOGS[path.name]} table, whose log says which of its files count. Deliver "
                    "plain Parquet."
                )
        return {_printable(path.name): path for path in inside if not is_ignored(path.name)}

    def _list(self, place: UPath) -> "Iterable[UPath]":
        """Return what lies in a folder, as its file system lists it.

        `glob` treats an unreadable folder as empty. In an object store, the listing says which
        entries are folders.
        """
        if is_local(place):
            return place.iterdir()
        found = []
        for entry in place.fs.ls(place.path, detail=True):
            path = str(entry["name"]).rstrip("/")
            if path != place.path.rstrip("/"):  # a file, or a marker, lists itself
                found.append(place / path.rpartition("/")[2])
                if entry["type"] == "directory":
                    self._remote_folders.add(str(found[-1]))
        return found

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
