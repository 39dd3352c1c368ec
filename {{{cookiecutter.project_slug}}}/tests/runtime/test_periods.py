"""Periods as text: months, ISO weeks and days, whichever this project has."""

from datetime import UTC, date, datetime, timedelta

import pytest

from {{{ cookiecutter.package_name }}}.runtime import periods
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.periods import (
    CADENCE,
    DAILY,
    EXAMPLE,
    MONTHLY,
    WEEKLY,
    Cadence,
    begins_later,
    bounds,
    cadence_of,
    has_ended,
    is_period,
    parse_period,
    period_before,
    period_of,
    periods_between,
    shift,
)

from .conftest import P


@pytest.mark.parametrize("cadence", [MONTHLY, WEEKLY, DAILY])
def test_the_example_of_a_cadence_is_one_of_its_periods(cadence: Cadence) -> None:
    assert cadence_of(cadence.example) is cadence
    assert is_period(cadence.example) == (cadence is CADENCE)


@pytest.mark.parametrize(
    "text",
    [
        *("", "2013", "2013-6", "2013-00", "2013-13", "0000-01", "9999-12", "201\u0663-06"),
        *("2013-W00", "2013-W53", "2013-W54"),
        *("2013-02-29", "2013-06-31", "20130617", f" {EXAMPLE}", f"{EXAMPLE}\n", "9999-12-31"),
    ],
)
def test_what_is_not_a_period_is_refused(text: str) -> None:
    assert cadence_of(text) is None
    what = r"is (no period|a \w+ that does not exist)"
    with pytest.raises(BadInput, match=f"{what}: write a .* as .*, such as {EXAMPLE}"):
        parse_period(text)


def test_a_week_that_its_year_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(periods, "CADENCE", WEEKLY)
    with pytest.raises(BadInput, match="'2013-W53' is a week that does not exist: write a week as"):
        parse_period("2013-W53")


def test_a_period_of_another_cadence_is_refused() -> None:
    for other in {MONTHLY, WEEKLY, DAILY} - {CADENCE}:
        sentence = f"is a {other.unit}, and periods are {CADENCE.unit}s here"
        with pytest.raises(BadInput, match=sentence):
            parse_period(other.example)


@pytest.mark.parametrize(
    ("period", "by", "expected"),
    [
        ("2013-06", 1, "2013-07"),
        ("2013-12", 1, "2014-01"),
        ("2013-06", -30, "2010-12"),
        ("2013-06", 0, "2013-06"),
        ("2013-W52", 1, "2014-W01"),
        ("2015-W52", 1, "2015-W53"),
        ("2016-W01", -1, "2015-W53"),
        ("2012-02-28", 1, "2012-02-29"),
        ("2013-01-01", -1, "2012-12-31"),
    ],
)
def test_shift(period: str, by: int, expected: str) -> None:
    assert shift(period, by) == expected


@pytest.mark.parametrize(
    ("day", "month", "week"),
    [
        (date(2012, 12, 31), "2012-12", "2013-W01"),
        (date(2016, 1, 3), "2016-01", "2015-W53"),
        (date(2012, 2, 29), "2012-02", "2012-W09"),
    ],
)
def test_the_period_of_a_day(day: date, month: str, week: str) -> None:
    assert (period_of(day, MONTHLY), period_of(day, WEEKLY)) == (month, week)
    assert period_of(day, DAILY) == day.isoformat()


def test_a_range_is_in_order_with_both_ends() -> None:
    assert periods_between(P[1], P[4]) == P[1:5]
    assert periods_between(P[2], P[2]) == [P[2]]
    with pytest.raises(BadInput, match=f"{P[1]}, comes before the first, {P[2]}"):
        periods_between(P[2], P[1])


@pytest.mark.parametrize(
    ("period", "hours"),
    [
        ("2013-03", 31 * 24 - 1),
        ("2013-11", 30 * 24 + 1),
        ("2013-W10", 7 * 24 - 1),  # summer time begins on its Sunday
        ("2013-03-10", 23),
        ("2013-11-03", 25),
    ],
)
def test_a_period_lasts_as_long_as_the_clocks_say(period: str, hours: int) -> None:
    start, end = bounds(period, "America/New_York")
    assert end - start == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("zone", "start"),
    [
        ("America/New_York", datetime(2013, 12, 30, 5, tzinfo=UTC)),
        ("Asia/Tokyo", datetime(2013, 12, 29, 15, tzinfo=UTC)),
    ],
)
def test_a_period_begins_by_the_clocks_of_its_zone(zone: str, start: datetime) -> None:
    assert bounds("2014-W01", zone) == (start, start + timedelta(days=7))
    assert bounds("2013-12-30", zone) == (start, start + timedelta(days=1))


@pytest.mark.parametrize("zone", ["America/New_York", "UTC", "Asia/Tokyo"])
def test_a_period_has_ended_when_the_next_begins(zone: str) -> None:
    end = bounds(P[6], zone)[1]
    assert has_ended(P[6], end, zone)
    assert not has_ended(P[6], end - timedelta(microseconds=1), zone)
    assert period_before(end, zone) == P[6]
    assert period_before(end - timedelta(microseconds=1), zone) == P[5]


def test_periods_of_different_cadences_are_compared_by_where_they_begin() -> None:
    """A model of the later one may have been trained on days of the other."""
    assert begins_later("2013-06-29", "2013-06")
    assert not begins_later("2013-06", "2013-W25")
    assert not begins_later("2013-06", "2013-06-01")
