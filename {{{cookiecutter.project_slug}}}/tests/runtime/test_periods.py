"""Months as text."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from {{{ cookiecutter.package_name }}}.errors import BadInput
from {{{ cookiecutter.package_name }}}.months import (
    has_ended,
    months_between,
    parse_month,
    shift,
)


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
def test_what_is_not_a_month_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is not a month: write it as YYYY-MM"):
        parse_month(text)


def test_a_month_is_returned() -> None:
    assert parse_month("2013-06") == "2013-06"


@pytest.mark.parametrize(
    ("month", "by", "expected"),
    [
        ("2013-06", 1, "2013-07"),
        ("2013-12", 1, "2014-01"),
        ("2013-01", -1, "2012-12"),
        ("2013-06", -30, "2010-12"),
        ("2013-06", 0, "2013-06"),
    ],
)
def test_shift(month: str, by: int, expected: str) -> None:
    assert shift(month, by) == expected


def test_months_between_are_in_order_with_both_ends() -> None:
    assert months_between("2012-11", "2013-02") == ["2012-11", "2012-12", "2013-01", "2013-02"]
    assert months_between("2013-02", "2013-02") == ["2013-02"]


def test_a_range_that_runs_backwards_is_refused() -> None:
    with pytest.raises(BadInput, match="2013-01 comes before the first, 2013-02"):
        months_between("2013-02", "2013-01")


def test_a_month_has_ended_when_the_next_begins_in_utc() -> None:
    begin = datetime(2013, 7, 1, tzinfo=UTC)
    assert has_ended("2013-06", begin)
    assert not has_ended("2013-06", begin - timedelta(microseconds=1))
    evening = datetime(2013, 6, 30, 20, tzinfo=timezone(timedelta(hours=-4)))
    assert has_ended("2013-06", evening)
    assert has_ended("2012-12", begin)
