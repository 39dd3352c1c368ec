"""Prefect as the tests have it: a server of their own, and retries without delay."""

import os
from collections.abc import Iterator
from typing import Any

# Other tests run steps without a flow, whose log lines no server wants.
os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")

import pytest


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One server for all tests, which sees nothing of the developer's own."""
    from prefect.settings import (
        PREFECT_LOCAL_STORAGE_PATH,
        PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
        temporary_settings,
    )
    from prefect.testing.utilities import prefect_test_harness

    own = {
        PREFECT_LOCAL_STORAGE_PATH: tmp_path_factory.mktemp("prefect"),
        PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: 120,
    }
    with temporary_settings(own), prefect_test_harness(server_startup_timeout=None):
        yield


@pytest.fixture(scope="module")
def adapter(server: None) -> Iterator[Any]:
    """The module with the flows; its tasks are retried without delay."""
    from prefect.tasks import Task

    import flows.training

    with pytest.MonkeyPatch.context() as patch:
        for name, task in list(vars(flows.training).items()):
            if isinstance(task, Task):
                patch.setattr(flows.training, name, task.with_options(retry_delay_seconds=0))
        yield flows.training
