"""The data of the tests: a part of the sample. Put a part of your own data in its place."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from {{{ cookiecutter.package_name }}} import sample

THINNED = 8
"""One in so many flights is kept, and all the weather: enough for the rules of `tables.py`."""


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source: `<table>/[month=<period>/]<table>.parquet` for at least half a year.

    It breaks no rule of `tables.py`, and gives a model that reaches the floor of `params.yaml`.
    """
    folder = tmp_path_factory.mktemp("sample") / "source"
    sample.main(folder)
    for file in folder.glob("flights/*/*.parquet"):
        pl.read_parquet(file).gather_every(THINNED).write_parquet(file)
    return folder


@pytest.fixture(scope="session")
def quick() -> dict[str, Any]:
    """The parameters of `train` that the tests change, so that a model is fitted quickly."""
    return {"max_iter": 30}
