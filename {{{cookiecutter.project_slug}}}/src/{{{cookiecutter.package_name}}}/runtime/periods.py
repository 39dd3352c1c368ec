"""Periods: the unit in which data arrive and models are trained. Here they are months, `2013-06`.

No other module of the runtime knows how long a period is.
"""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from .errors import BadInput

PATTERN = r"^\d{4}-(0[1-9]|1[0-2])$"
"""What a period looks like, as a regular expression."""

EXAMPLE = "2013-06"

PARTITION = "month"
"""Folders of a period at the source are called `<PARTITION>=<period>`."""

LONGEST_DAYS = 31

FEWEST_PERIODS = 2
"""Periods that a model is trained on, at least."""


def is_period(text: str) -> bool:
    """Return whether `text` is a period, such as `2013-06`."""
    return re.fullmatch(PATTERN, text, re.ASCII) is not None and text.isascii()


def parse_period(text: str) -> str:
    """Return `text` if it is a period, else raise `BadInput`."""
    if not is_period(text):
        raise BadInput(f"{text!r} is not a month: write it as YYYY-MM, for example {EXAMPLE}.")
    return text


def shift(period: str, by: int) -> str:
    """Return the period `by` periods after `period`, or before it where `by` is negative."""
    year, number = divmod(int(period[:4]) * 12 + int(period[5:]) - 1 + by, 12)
    return f"{year:04d}-{number + 1:02d}"


def periods_between(first: str, last: str) -> list[str]:
    """Return the periods from `first` to `last`, both included, in order.

    Raises:
        BadInput: one of them is not a period, or the last comes before the first.
    """
    period, periods = parse_period(first), []
    if parse_period(last) < first:
        raise BadInput(f"The last month {last} comes before the first, {first}: swap them.")
    while period <= last:
        periods.append(period)
        period = shift(period, 1)
    return periods


def bounds(period: str, zone: str) -> tuple[datetime, datetime]:
    """Return when a period begins, and when the next one does, by the clocks of a time zone."""
    start, end = (
        datetime(int(first[:4]), int(first[5:]), 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        for first in (period, shift(period, 1))
    )
    return start, end


def has_ended(period: str, moment: datetime) -> bool:
    """Return whether `period`, in UTC, was over at `moment`, which has a time zone."""
    return bounds(period, "UTC")[1] <= moment


def period_before(moment: datetime) -> str:
    """Return the last period, in UTC, that was over at `moment`, which has a time zone."""
    return shift(f"{moment.astimezone(UTC):%Y-%m}", -1)
