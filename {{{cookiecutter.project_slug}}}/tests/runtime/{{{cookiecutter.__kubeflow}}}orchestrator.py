"""The orchestrator as the tests have it: its local runner, without waiting between tries."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def server() -> None:
    """Nothing needs to be up."""


@pytest.fixture(scope="module")
def adapter(server: None) -> Iterator[Any]:
    """What runs the pipeline from the command line; its tasks are tried again without delay."""
    from kfp.local.orchestrator import task_executor

    from scripts import local

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task_executor.time, "sleep", lambda _seconds: None)
        yield local
