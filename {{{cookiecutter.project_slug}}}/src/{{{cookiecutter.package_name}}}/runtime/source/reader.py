"""Where data arrive: partitions of periods, as an upstream system delivers them.

<source>/<table>/period=<period>/*.parquet     tables with a date, as `DATED` in `tables.py`
<source>/<table>/*.parquet                     the others, whole

`PARTITIONS` of `periods.py` has what the folder of a period may be called.
"""

import hashlib
from collections.abc import Callable, Collection
from concurrent.futures import Future
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from upath import UPath

from .. import room
from ..errors import BadInput, redact
from ..periods import CADENCE, EXAMPLE, PARTITIONS, is_period

if TYPE_CHECKING:
    import polars as pl

Answer = TypeVar("Answer")

CLOSED = (PermissionError, IsADirectoryError, ImportError, ValueError)
"""What reading raises where a retry does not help."""

_VERSIONS = ("version_id", "generation", "ETag", "etag", "content_md5")
"""What file systems call the version of a file's content, where they know it."""


class Source:
    """The partitions below an address: a folder, or anything that fsspec can open."""

    def __init__(self, address: str, patience: float | None = None) -> None:
        """Take the address of a source; nothing is read yet.

        `patience` is how many seconds to wait for a file or a listing; None: as long as it takes.

        Raises:
            BadInput: no file system is known for such an address.
        """
        self.address = address
        self.patience = patience
        try:
            self.root = UPath(address)
        except (ValueError, ImportError) as error:
            raise self._closed(error) from error

    def periods(self) -> list[str]:
        """Return the periods delivered so far, in order.

        Raises:
            BadInput: the source is missing, empty, or we may not read it.
            OSError: it does not answer; a retry may help.
        """
        main = room.tables().MAIN
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

    def files(self, period: str) -> dict[str, UPath]:
        """Return the files of a period by name, such as `<table>/part-0.parquet`.

        It raises what `periods` does.
        """
        ours = room.tables()
        files: dict[str, UPath] = {}
        for table in ours.TABLES:
            dated = [f"{table}/{key}={period}" for key in PARTITIONS]
            folders = {f: self._inside(f) for f in (dated if table in ours.DATED else [table])}
            self._refuse_two([folder for folder, inside in folders.items() if inside])
            files |= {
                f"{folder}/{name}": file
                for folder, inside in folders.items()
                for name, file in inside.items()
                if name.endswith(".parquet")
            }
        return files

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

    def _inside(self, folder: str) -> dict[str, UPath]:
        """Return what lies in a folder, by name and in order; nothing where there is no folder."""
        try:
            # Not with `glob`: to it, a folder that we may not look into is an empty one.
            inside = self._answer(lambda: sorted((self.root / folder).iterdir(), key=str))
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
            return ask() if self.patience is None else self._within(self.patience, ask)
        except CLOSED as error:
            raise self._closed(error) from error

    def _within(self, patience: float, ask: Callable[[], Answer]) -> Answer:
        """Return what the source answers in `patience` seconds.

        The call runs in a thread of its own, which is abandoned where it hangs: not every protocol
        has a time limit, and no orchestrator interrupts a call that waits in compiled code.
        """
        answer: Future[Answer] = Future()

        def wait() -> None:
            try:
                answer.set_result(ask())
            except BaseException as error:  # noqa: BLE001 - raised by the caller's thread
                answer.set_exception(error)

        Thread(target=wait, daemon=True).start()
        try:
            return answer.result(patience)
        except TimeoutError:
            if answer.done():
                raise
            raise TimeoutError(
                f"the source {redact(self.address)} did not answer in "
                f"{patience:g} s (`source_timeout` in params.yaml)"
            ) from None

    def _closed(self, error: Exception) -> BadInput:
        return BadInput(redact(f"The source {self.address} cannot be read: {error}."))

    def tables(self, period: str, names: Collection[str]) -> "dict[str, pl.DataFrame]":
        """Return the tables `names` of a period by name; one without files is left out.

        Raises:
            polars.exceptions.PolarsError: a file is not Parquet, or the files of a table differ.
            BadInput: we may not read a file.
        """
        import polars as pl

        parts: dict[str, list[pl.DataFrame]] = {}
        for name, file in self.files(period).items():
            if (table := table_of(name)) in names:
                try:
                    parts.setdefault(table, []).append(pl.read_parquet(self.read(file)))
                except pl.exceptions.PolarsError as error:
                    why = f"{name} is not readable as Parquet"
                    raise pl.exceptions.ComputeError(why) from error
        return {table: _concatenate(table, read) for table, read in parts.items()}


def _concatenate(table: str, parts: "list[pl.DataFrame]") -> "pl.DataFrame":
    """Return the files of a table as one."""
    import polars as pl

    first = parts[0].schema
    for part in parts[1:]:
        if odd := {column for column, _ in first.items() ^ part.schema.items()}:
            raise pl.exceptions.SchemaError(f"those of {table} differ in {', '.join(sorted(odd))}")
    return pl.concat([part.select(first.names()) for part in parts])


def table_of(name: str) -> str:
    """Return the table that a file of the source belongs to."""
    return name.partition("/")[0]


def sha256(content: bytes) -> str:
    """Return the checksum by which a file is known, in hex."""
    return hashlib.sha256(content).hexdigest()
