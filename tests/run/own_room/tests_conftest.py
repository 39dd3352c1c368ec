"""The data of the tests."""

from pathlib import Path
from typing import Any

import pytest

from my_pipeline.sample import main


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the sample."""
    folder = tmp_path_factory.mktemp("sample") / "source"
    main(folder)
    return folder


@pytest.fixture(scope="session")
def quick() -> dict[str, Any]:
    """Return nothing: the model is fitted quickly as it is."""
    return {}
