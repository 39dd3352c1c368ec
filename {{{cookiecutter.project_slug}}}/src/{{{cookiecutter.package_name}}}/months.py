"""Months written as `YYYY-MM`: the unit in which data arrive and models are trained."""

import re
from datetime import UTC, datetime

from .errors import BadInput


def is_month(text: str) -> bool:
    """Tell whether `text` is a month, such as `2013-06`."""
    return re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text, re.ASCII) is not None


def parse_month(text: str) -> str:
    """Return `text` if it is a month, such as `2013-06`.

    Raises:
        BadInput: it is not.
    """
    if not is_month(text):
        raise BadInput(f"{text!r} is not a month: write it as YYYY-MM, for example 2013-06.")
    return text


def shift(month: str, by: int) -> str:
    """Return the month `by` months after `month`, or before it where `by` is negative."""
    year, number = divmod(int(month[:4]) * 12 + int(month[5:]) - 1 + by, 12)
    return f"{year:04d}-{number + 1:02d}"


def months_between(first: str, last: str) -> list[str]:
    """Return the months from `first` to `last`, both included, in order.

    Raises:
        BadInput: one of them is not a month, or the last comes before the first.
    """
    month, months = parse_month(first), []
    if parse_month(last) < first:
        raise BadInput(f"The last month {last} comes before the first, {first}: swap them.")
    while month <= last:
        months.append(month)
        month = shift(month, 1)
    return months


def has_ended(month: str, moment: datetime) -> bool:
    """Tell whether `month` (of UTC) was over at `moment` (with a time zone)."""
    following = shift(month, 1)
    return datetime(int(following[:4]), int(following[5:]), 1, tzinfo=UTC) <= moment


def month_before(moment: datetime) -> str:
    """Return the last month (of UTC) that was over at `moment` (with a time zone)."""
    return shift(f"{moment.astimezone(UTC):%Y-%m}", -1)
