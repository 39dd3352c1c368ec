"""The data of the tests: a part of the sample. Put a part of your own data in its place.

The tests of the runtime take two fixtures from here, `source` and `quick`; the others are yours.
"""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from {{{ cookiecutter.package_name }}} import sample
from {{{ cookiecutter.package_name }}}.features import LABEL, join, label
from {{{ cookiecutter.package_name }}}.runtime.config import Params, load_params
from {{{ cookiecutter.package_name }}}.runtime.source.reader import Source
from {{{ cookiecutter.package_name }}}.tables import MAIN, TABLES

PERIOD = "2013-06"
THINNED = 8
"""One in so many flights is kept, and all the weather: enough for the rules of `tables.py`."""


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source: `<table>/[month=<period>/]<table>.parquet`, from 2013-01 to 2013-06 or longer.

    It breaks no rule of `tables.py`, and gives a model that reaches the floor of `params.yaml`.
    """
    folder = tmp_path_factory.mktemp("sample") / "source"
    sample.main(folder)
    for file in folder.glob("flights/*/*.parquet"):
        pl.read_parquet(file).gather_every(THINNED).write_parquet(file)
    return folder


@pytest.fixture(scope="session")
def quick() -> dict[str, Any]:
    """Values for the section `train` of `params.yaml` with which a model is fitted quickly."""
    return {"max_iter": 30}


@pytest.fixture(scope="session")
def params(quick: dict[str, Any]) -> Params:
    """The project's parameters, with those of `quick`."""
    loaded = load_params(Path(__file__).parents[1] / "params.yaml")
    return loaded.model_copy(update={"train": loaded.train.model_copy(update=quick)})


@pytest.fixture(scope="session")
def tables(source: Path) -> dict[str, pl.DataFrame]:
    """The tables of a period, by name."""
    return Source(str(source)).tables(PERIOD, TABLES)


@pytest.fixture(scope="session")
def rows(tables: dict[str, pl.DataFrame], params: Params) -> pl.DataFrame:
    """The rows of a period that have a label, with their label."""
    labels = tables[MAIN].select(label(params.features).alias(LABEL))
    return join(tables).hstack(labels).drop_nulls(LABEL)
