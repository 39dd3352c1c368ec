"""Periods as text."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.periods import (
    EXAMPLE,
    bounds,
    has_ended,
    is_period,
    parse_period,
    period_before,
    periods_between,
    shift,
)

JULY = datetime(2013, 7, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2013",
        "2013-6",
        "2013-00",
        "2013-13",
        "2013-06-01",
        " 2013-06",
        "2013-06\n",
        "201\u0663-06",
    ],
)
def test_what_is_not_a_period_is_refused(text: str) -> None:
    assert not is_period(text)
    with pytest.raises(BadInput, match=f"is not a .*: write it as .*, for example {EXAMPLE}"):
        parse_period(text)


@pytest.mark.parametrize(
    ("period", "by", "expected"),
    [
        ("2013-06", 1, "2013-07"),
        ("2013-12", 1, "2014-01"),
        ("2013-01", -1, "2012-12"),
        ("2013-06", -30, "2010-12"),
        ("2013-06", 0, "2013-06"),
    ],
)
def test_shift(period: str, by: int, expected: str) -> None:
    assert shift(period, by) == expected
    assert parse_period(expected) == expected


def test_a_range_is_in_order_with_both_ends() -> None:
    assert periods_between("2012-11", "2013-02") == ["2012-11", "2012-12", "2013-01", "2013-02"]
    assert periods_between("2013-02", "2013-02") == ["2013-02"]
    with pytest.raises(BadInput, match="2013-01 comes before the first, 2013-02"):
        periods_between("2013-02", "2013-01")


def test_a_period_has_ended_when_the_next_begins_in_utc() -> None:
    assert has_ended("2013-06", JULY)
    assert not has_ended("2013-06", JULY - timedelta(microseconds=1))
    evening = datetime(2013, 6, 30, 20, tzinfo=timezone(timedelta(hours=-4)))
    assert has_ended("2013-06", evening)
    assert (period_before(JULY), period_before(evening)) == ("2013-06", "2013-06")
    assert period_before(JULY - timedelta(microseconds=1)) == "2013-05"


def test_a_period_begins_by_the_clocks_of_its_zone() -> None:
    start, end = bounds("2013-12", "America/New_York")
    assert start == datetime(2013, 12, 1, 5, tzinfo=UTC)
    assert end == datetime(2014, 1, 1, 5, tzinfo=UTC)
