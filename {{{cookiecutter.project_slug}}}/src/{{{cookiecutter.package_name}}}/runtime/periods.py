"""Periods: the unit in which data arrive and models are trained.

A period is a month (`2013-06`), an ISO week (`2013-W23`) or a day (`2013-06-17`); `CADENCE` is what
this project uses. No other module of the runtime knows how long a period is.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from .errors import BadInput


@dataclass(frozen=True)
class Cadence:
    """How long periods are, and how they are written."""

    unit: Literal["month", "week", "day"]
    form: str
    example: str
    pattern: str
    """What a period looks like, as a regular expression."""
    longest_days: int


YEAR = r"(19|2\d)\d\d"  # no dates can be calculated at the ends of the calendar

MONTHLY = Cadence("month", "YYYY-MM", "2013-06", rf"^{YEAR}-(0[1-9]|1[0-2])$", 31)
WEEKLY = Cadence("week", "YYYY-Www", "2013-W23", rf"^{YEAR}-W(0[1-9]|[1-4]\d|5[0-3])$", 7)
DAILY = Cadence(
    "day", "YYYY-MM-DD", "2013-06-17", rf"^{YEAR}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$", 1
)

CADENCE = {{{ cookiecutter.cadence | upper }}}
"""The cadence of this project."""

EXAMPLE = CADENCE.example

PARTITIONS = ("month", "period") if CADENCE is MONTHLY else ("period",)
"""Folders of a period at the source are called `<one of these>=<period>`."""

FEWEST_PERIODS = 2
"""Periods that a model is trained on, at least."""


def cadence_of(period: str) -> Cadence | None:
    """Return the cadence that a text is a period of, None where it is none."""
    found = (c for c in (MONTHLY, WEEKLY, DAILY) if re.fullmatch(c.pattern, period, re.ASCII))
    cadence = next(found, None)
    try:
        return cadence if cadence and period_of(_first_day(period), cadence) == period else None
    except ValueError:  # February 30th, or the 53rd week of a year that has 52
        return None


def is_period(text: str) -> bool:
    """Return whether `text` is a period of this project, as `EXAMPLE` is."""
    return cadence_of(text) is CADENCE


def parse_period(text: str) -> str:
    """Return `text` if it is a period of this project, else raise `BadInput`."""
    if is_period(text):
        return text
    other = cadence_of(text)
    what = f"is a {other.unit}, and periods are {CADENCE.unit}s here" if other else "is no period"
    if re.fullmatch(CADENCE.pattern, text, re.ASCII):
        what = f"is a {CADENCE.unit} that does not exist"
    raise BadInput(f"{text!r} {what}: write a {CADENCE.unit} as {CADENCE.form}, such as {EXAMPLE}.")


def period_of(day: date, cadence: Cadence = CADENCE) -> str:
    """Return the period that a day lies in."""
    match cadence.unit:
        case "month":
            return day.isoformat()[:7]
        case "week":
            year, week, _ = day.isocalendar()
            return f"{year:04d}-W{week:02d}"
        case "day":
            return day.isoformat()


def shift(period: str, by: int) -> str:
    """Return the period `by` periods after `period`, or before it where `by` is negative."""
    match len(period):
        case 7:  # a month
            year, number = divmod(int(period[:4]) * 12 + int(period[5:]) - 1 + by, 12)
            return f"{year:04d}-{number + 1:02d}"
        case 8:  # a week
            return period_of(_first_day(period) + timedelta(weeks=by), WEEKLY)
        case _:
            return period_of(_first_day(period) + timedelta(days=by), DAILY)


def periods_between(first: str, last: str) -> list[str]:
    """Return the periods from `first` to `last`, both included, in order.

    Raises:
        BadInput: one of them is not a period, or the last comes before the first.
    """
    period, periods = parse_period(first), []
    if parse_period(last) < first:
        unit = CADENCE.unit
        raise BadInput(f"The last {unit}, {last}, comes before the first, {first}: swap them.")
    while period <= last:
        periods.append(period)
        period = shift(period, 1)
    return periods


def in_words(periods: Iterable[str]) -> str:
    """Return periods for people: of more than two in a row, the first and the last."""
    rows: list[list[str]] = []
    for period in periods:
        if rows and shift(rows[-1][-1], 1) == period:
            rows[-1].append(period)
        else:
            rows.append([period])
    texts = [f"{row[0]} to {row[-1]}" if len(row) > 2 else ", ".join(row) for row in rows]
    return ", ".join(texts)


def bounds(period: str, zone: str) -> tuple[datetime, datetime]:
    """Return when a period begins, and when the next one does, by the clocks of a time zone."""
    start, end = (
        datetime.combine(_first_day(each), time(), ZoneInfo(zone)).astimezone(UTC)
        for each in (period, shift(period, 1))
    )
    return start, end


def has_ended(period: str, moment: datetime, zone: str) -> bool:
    """Return whether a period was over at `moment`, by the clocks of a time zone."""
    return bounds(period, zone)[1] <= moment


def begins_later(one: str, other: str) -> bool:
    """Return whether a period begins later than another, which may be of another cadence."""
    return _first_day(one) > _first_day(other)


def period_before(moment: datetime, zone: str) -> str:
    """Return the last period that was over at `moment`, by the clocks of a time zone."""
    return shift(period_of(moment.astimezone(ZoneInfo(zone)).date()), -1)


def _first_day(period: str) -> date:
    """Return the day on which a period begins; raise `ValueError` where there is no such day."""
    return date.fromisoformat({7: f"{period}-01", 8: f"{period}-1"}.get(len(period), period))
