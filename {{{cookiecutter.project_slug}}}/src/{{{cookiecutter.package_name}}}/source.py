"""Where data arrive: monthly partitions, as an upstream system delivers them.

<source>/flights/month=2013-01/*.parquet     a month's scheduled departures
<source>/weather/month=2013-01/*.parquet     its weather, by hour
<source>/planes/*.parquet                    all planes known
<source>/airports/*.parquet                  all airports known
"""

import hashlib

import polars as pl
from upath import UPath

from .errors import BadInput
from .months import is_month
from .workspace import read_parquet

MONTHLY = ("flights", "weather")
UNDATED = ("planes", "airports")


class Source:
    """The partitions below an address: a folder, or anything that fsspec can open."""

    def __init__(self, address: str) -> None:
        """Take the address of a source; nothing is read yet.

        Raises:
            BadInput: nothing is known that opens such an address.
        """
        self.address = address
        try:
            self.root = UPath(address)
        except (ValueError, ImportError) as error:
            raise BadInput(f"The source {address} cannot be read: {error}.") from error

    def months(self) -> list[str]:
        """Return the months delivered so far, in order.

        Raises:
            BadInput: the source is missing, empty, or not to be read by us.
            OSError: it does not answer; trying again may help.
        """
        try:
            folders = list((self.root / MONTHLY[0]).glob("month=*"))
        except (PermissionError, FileNotFoundError, ImportError, ValueError) as error:
            raise BadInput(f"The source {self.address} cannot be read: {error}.") from error
        names = [folder.name.removeprefix("month=") for folder in folders]
        months = sorted(name for name in names if is_month(name))
        if not months:
            raise BadInput(
                f"The source {self.address} has no month of {MONTHLY[0]}, such as "
                f"{MONTHLY[0]}/month=2013-06: correct `source` in params.yaml, or deliver one "
                "(`make data` lays out the sample)."
            )
        return months

    def files(self, month: str) -> dict[str, UPath]:
        """Return what makes up a month, by name: `flights/month=2013-06/part-0.parquet`, ..."""
        folders = [f"{table}/month={month}" for table in MONTHLY] + list(UNDATED)
        return {
            f"{folder}/{file.name}": file
            for folder in folders
            for file in sorted((self.root / folder).glob("*.parquet"), key=str)
        }

    def tables(self, month: str) -> dict[str, pl.DataFrame]:
        """Return the tables of a month by name; one without files is missing.

        Raises:
            polars.exceptions.PolarsError: a file is not Parquet, or the files of a table differ.
        """
        parts: dict[str, list[pl.DataFrame]] = {}
        for name, file in self.files(month).items():
            parts.setdefault(table_of(name), []).append(read_parquet(file))
        return {table: pl.concat(read) for table, read in parts.items()}


def table_of(name: str) -> str:
    """Return the table that a file of the source belongs to."""
    return name.partition("/")[0]


def sha256(content: bytes) -> str:
    """Return the checksum by which a file is known, in hex."""
    return hashlib.sha256(content).hexdigest()
