"""Where data arrive: monthly partitions, as an upstream system delivers them.

<source>/flights/month=2013-01/*.parquet     a month's scheduled departures
<source>/weather/month=2013-01/*.parquet     its weather, by hour
<source>/planes/*.parquet                    all planes known
<source>/airports/*.parquet                  all airports known
"""

import hashlib
from collections.abc import Callable, Collection
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

import polars as pl
from upath import UPath

from .errors import BadInput, without_passwords
from .months import is_month

MONTHLY = ("flights", "weather")
UNDATED = ("planes", "airports")

Answer = TypeVar("Answer")

CLOSED = (PermissionError, IsADirectoryError, ImportError, ValueError)
"""What reading raises where trying again does not help."""


class Source:
    """The partitions below an address: a folder, or anything that fsspec can open."""

    def __init__(self, address: str, patience: float | None = None) -> None:
        """Take the address of a source; nothing is read yet.

        Args:
            address: a folder, or what fsspec can open.
            patience: seconds to wait for a file or a listing; None: as long as it takes.

        Raises:
            BadInput: nothing is known that opens such an address.
        """
        self.address = address
        self.patience = patience
        try:
            self.root = UPath(address)
        except (ValueError, ImportError) as error:
            raise self._closed(error) from error

    def months(self) -> list[str]:
        """Return the months delivered so far, in order.

        Raises:
            BadInput: the source is missing, empty, or not to be read by us.
            OSError: it does not answer; trying again may help.
        """
        names = [name.removeprefix("month=") for name in self._inside(MONTHLY[0])]
        months = sorted(name for name in names if is_month(name))
        if not months:
            raise BadInput(
                f"The source {self.address} has no month of {MONTHLY[0]}, such as "
                f"{MONTHLY[0]}/month=2013-06: correct `source` in params.yaml, or deliver one "
                "(`make data` lays out the sample)."
            )
        return months

    def files(self, month: str) -> dict[str, UPath]:
        """Return what makes up a month, by name: `flights/month=2013-06/part-0.parquet`, ...

        It raises what `months` does.
        """
        folders = [f"{table}/month={month}" for table in MONTHLY] + list(UNDATED)
        return {
            f"{folder}/{name}": file
            for folder in folders
            for name, file in self._inside(folder).items()
            if name.endswith(".parquet")
        }

    def _inside(self, folder: str) -> dict[str, UPath]:
        """Return what lies in a folder, by name and in order; nothing where there is no folder."""
        try:
            # Not with `glob`: to it, a folder that we may not look into is an empty one.
            inside = self._answer(lambda: sorted((self.root / folder).iterdir(), key=str))
            return {path.name: path for path in inside}
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except CLOSED as error:
            raise self._closed(error) from error

    def read(self, file: UPath) -> bytes:
        """Return the content of one of its `files`.

        Raises:
            BadInput: it is not to be read by us.
            OSError: the source does not answer; trying again may help.
        """
        try:
            return self._answer(file.read_bytes)
        except CLOSED as error:
            raise self._closed(error) from error

    def _answer(self, ask: Callable[[], Answer]) -> Answer:
        """Return what the source answers.

        It is asked in a thread of its own, left behind where it hangs: not every protocol has a
        time limit, and no orchestrator interrupts a call that waits in compiled code.

        Raises:
            TimeoutError: it does not answer in time.
        """
        if self.patience is None:
            return ask()
        answer: Future[Answer] = Future()

        def wait() -> None:
            try:
                answer.set_result(ask())
            except BaseException as error:  # noqa: BLE001 - it is raised where it was asked
                answer.set_exception(error)

        Thread(target=wait, daemon=True).start()
        try:
            return answer.result(self.patience)
        except TimeoutError:
            if answer.done():
                raise
            raise TimeoutError(
                f"the source {without_passwords(self.address)} did not answer in "
                f"{self.patience:g} s (`source_timeout` in params.yaml)"
            ) from None

    def _closed(self, error: Exception) -> BadInput:
        return BadInput(without_passwords(f"The source {self.address} cannot be read: {error}."))

    def tables(
        self, month: str, names: Collection[str] = MONTHLY + UNDATED
    ) -> dict[str, pl.DataFrame]:
        """Return the tables of a month by name, those of `names`; one without files is missing.

        Raises:
            polars.exceptions.PolarsError: a file is not Parquet, or the files of a table differ.
            BadInput: a file is not to be read by us.
        """
        parts: dict[str, list[pl.DataFrame]] = {}
        for name, file in self.files(month).items():
            if (table := table_of(name)) in names:
                parts.setdefault(table, []).append(_parsed(name, self.read(file)))
        return {table: _together(table, read) for table, read in parts.items()}


def _parsed(name: str, content: bytes) -> pl.DataFrame:
    """Return what a file holds."""
    try:
        return pl.read_parquet(content)
    except pl.exceptions.PolarsError as error:
        raise pl.exceptions.ComputeError(f"{name} is not readable as Parquet") from error


def _together(table: str, parts: list[pl.DataFrame]) -> pl.DataFrame:
    """Return the files of a table as one."""
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
