"""What all kinds of source have in common. Steps, plan and cache do not know which kind there is.

A source has *parts* of a period, of two kinds: files as they were delivered, which are copied byte
for byte, and the rows that a table has of a period, which are written as Parquet.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

from ..files import in_time
from ..periods import EXAMPLE, PARTITIONS
from ..results import NOT_READ
from . import formats
from .content import write_rows

if TYPE_CHECKING:
    import polars as pl

Answer = TypeVar("Answer")


class Part(ABC):
    """What becomes one file of a run."""

    at_hand = False
    """Whether it is a file of this machine, so that a plan need not copy it."""

    @abstractmethod
    def save(self, file: Path) -> str:
        """Write its content to a file, and return the checksum; for errors see `read`."""

    @abstractmethod
    def read(self) -> "pl.DataFrame":
        """Return its rows.

        Raises:
            polars.exceptions.PolarsError: it is a damaged file.
            BadInput: we may not read it.
            OSError: the source does not answer; a retry may help.
        """

    def checksum(self) -> str:
        """Return the checksum of its content; for errors see `read`."""
        with TemporaryDirectory() as folder:
            return self.save(Path(folder) / "part")

    def version(self) -> str | None:
        """Return what names its content, None where the source has no name for it."""
        return None


class Rows(Part):
    """The rows that a table has of a period, known by their content, whatever their order."""

    @abstractmethod
    def batches(self) -> "Iterator[pl.DataFrame]":
        """Yield the rows, all with the same columns: at least one frame, which may be empty."""

    def save(self, file: Path) -> str:
        """Write the rows as Parquet, one batch at a time, and return their checksum."""
        return write_rows(self.batches(), file)

    def read(self) -> "pl.DataFrame":
        """Return the rows."""
        import polars as pl

        return pl.concat(self.batches())


UNREAD = {
    "name": "its name has letters that cannot be written",
    "folder": "it is a folder, and files are expected here",
    "no file": "it is no file, or a link that leads nowhere",
    "ending": f"its name does not end in {' or '.join(formats.FORMATS)}",
    "period": f"it is no folder such as {PARTITIONS[0]}={EXAMPLE}",
}
"""Why something is not read, by kind. The kinds are part of a run's id, the words are not."""


def why_unread(name: str, checksum: str) -> str:
    """Return in words why a part is not read, whose `checksum` starts with `NOT_READ`."""
    kind = checksum.removeprefix(NOT_READ)
    return f"{name} is {NOT_READ}{UNREAD.get(kind, kind)}"


class Unread(Part):
    """What lies among the files of a period and is not read: so rows may be missing."""

    at_hand = True

    def __init__(self, name: str, kind: str) -> None:
        """Name it, and the kind of `UNREAD` that it is."""
        self.name, self.kind = name, kind

    @property
    def why(self) -> str:
        """Why it is not read, in words."""
        return why_unread(self.name, self.checksum())

    def checksum(self) -> str:
        """Return what stands for a checksum."""
        return f"{NOT_READ}{self.kind}"

    def save(self, file: Path) -> str:
        """Write nothing."""
        file.touch()
        return self.checksum()

    def read(self) -> "pl.DataFrame":
        """Raise an error."""
        import polars as pl

        raise pl.exceptions.ComputeError(self.why)


class Kind(ABC):
    """A source of one kind."""

    address: str
    """Where it is, for people: without a password."""

    @abstractmethod
    def periods(self) -> list[str]:
        """Return the periods delivered so far, in order.

        Raises:
            BadInput: the source is missing, empty, or we may not read it.
            OSError: it does not answer; a retry may help.
        """

    @abstractmethod
    def parts(self, period: str) -> dict[str, Part]:
        """Return the parts of a period by name, such as `<table>/part-0.parquet`.

        It raises what `periods` does.
        """

    def tables(self, period: str, names: Collection[str]) -> "dict[str, pl.DataFrame]":
        """Return the tables `names` of a period by name; one without parts is left out.

        Raises:
            polars.exceptions.PolarsError: a file is damaged, or the files of a table differ.
            BadInput: we may not read a file.
            OSError: the source does not answer; a retry may help.
        """
        read: dict[str, dict[str, pl.DataFrame]] = {}
        for name, part in self.parts(period).items():
            if (table := table_of(name)) in names:
                read.setdefault(table, {})[name] = part.read()
        return {table: _concatenate(table, parts) for table, parts in read.items()}


def _concatenate(table: str, parts: "Mapping[str, pl.DataFrame]") -> "pl.DataFrame":
    """Return the parts of a table, by name, as one.

    Columns that `tables.py` does not declare are left out where the parts differ in them.
    """
    import polars as pl

    (first, whole), *others = parts.items()
    for name, part in others:
        for column in formats.declared(table):
            one, other = whole.schema.get(column), part.schema.get(column)
            if one == other:
                continue
            if one is None or other is None:
                wrong = f"is missing in {first if one is None else name}"
            else:
                wrong = f"is {one} in {first}, and {other} in {name}"
            raise pl.exceptions.SchemaError(f"`{column}` of {table} {wrong}")
    alike = [
        column
        for column, dtype in whole.schema.items()
        if all(part.schema.get(column) == dtype for part in parts.values())
    ]
    return pl.concat([part.select(alike) for part in parts.values()])


def table_of(name: str) -> str:
    """Return the table that a part of the source belongs to."""
    return name.partition("/")[0]


def name_of_rows(table: str, period: str | None) -> str:
    """Return the name of the rows that a table has of a period, or altogether."""
    folder = f"{table}/{PARTITIONS[-1]}={period}" if period else table
    return f"{folder}/{table}.parquet"


def within(patience: float, ask: Callable[[], Answer], address: str) -> Answer:
    """Return what a source answers in `patience` seconds; raise `TimeoutError` if it does not."""
    setting = "`source_timeout` in params.yaml"
    late = f"the source {address} did not answer in {patience:g} s ({setting})"
    return in_time(patience, ask, late)
