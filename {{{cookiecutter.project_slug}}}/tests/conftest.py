"""The data of the tests: a part of the sample. Put a part of your own data in its place.

The tests of the runtime have data of their own.
"""

from pathlib import Path

import polars as pl
import pytest

from {{{ cookiecutter.package_name }}} import sample
from {{{ cookiecutter.package_name }}}.features import LABEL, join, label
from {{{ cookiecutter.package_name }}}.runtime.config import Params, load_params
from {{{ cookiecutter.package_name }}}.runtime.periods import CADENCE, EXAMPLE
from {{{ cookiecutter.package_name }}}.runtime.source.reader import Source
from {{{ cookiecutter.package_name }}}.tables import MAIN, TABLES

PERIOD = EXAMPLE
THINNED = {"month": 8, "week": 2, "day": 1}[CADENCE.unit]
"""One in so many flights is kept, and all the weather: enough for the rules of `tables.py`."""


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source: the sample with fewer flights."""
    folder = tmp_path_factory.mktemp("sample") / "source"
    sample.main(folder)
    for file in folder.glob("flights/*/*.parquet"):
        pl.read_parquet(file).gather_every(THINNED).write_parquet(file)
    return folder


@pytest.fixture(scope="session")
def params() -> Params:
    """The project's parameters, with a model that is fitted quickly."""
    loaded = load_params(Path(__file__).parents[1] / "params.yaml")
    return loaded.model_copy(update={"train": loaded.train.model_copy(update={"max_iter": 30})})


@pytest.fixture(scope="session")
def tables(source: Path) -> dict[str, pl.DataFrame]:
    """The tables of a period, by name."""
    return Source(str(source)).tables(PERIOD, TABLES)


@pytest.fixture(scope="session")
def rows(tables: dict[str, pl.DataFrame], params: Params) -> pl.DataFrame:
    """The rows of a period that have a label, with their label."""
    labels = tables[MAIN].select(label(params.features).alias(LABEL))
    return join(tables).hstack(labels).drop_nulls(LABEL)
