"""The orchestrator as the tests have it: KFP's local runner, without delays between retries."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def server() -> None:
    """Nothing needs to be up."""


@pytest.fixture(scope="module")
def adapter(server: None) -> Iterator[Any]:
    """What runs the pipeline from the command line; its tasks find `pipelines` in this project."""
    from kfp.local.orchestrator import task_executor

    from ops import local

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=os.pathsep)
        patch.setattr(task_executor.time, "sleep", lambda _seconds: None)
        yield local
