"""A receiver of alerts for each test, in place of one for a whole file."""

from collections.abc import Iterator

import pytest

from tests.alerts.receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Receive the alerts of one test."""
    with Receiver() as receiver:
        yield receiver
