"""The model takes what it has never seen, and what it learnt outlives changes of its code."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import {{{ cookiecutter.package_name }}} as package
from {{{ cookiecutter.package_name }}} import tracking
from {{{ cookiecutter.package_name }}}.model import (
    CATEGORICAL,
    NUMERIC,
    derive,
    probability,
)
from {{{ cookiecutter.package_name }}}.workspace import (
    Workspace,
    read_parquet,
)

from .conftest import Project

KEPT = ("year", "month", "day")  # of every flight: without a date there is none


@pytest.fixture
def table(released: Project) -> pl.DataFrame:
    run = released.plan("2013-04")
    return read_parquet(Workspace(run).features("2013-04")).drop("late").head(200)


def scored(project: Project, table: pl.DataFrame) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    scores = probability(tracking.load_model(project.params.model_name, "1"), table)
    assert scores.shape == (table.height,)
    assert ((scores > 0) & (scores < 1)).all()
    return scores


def test_derived_features() -> None:
    flight = {"year": 2013, "month": 6, "day": 3, "plane_year": 2001}
    times = {"sched_dep_time": 1745, "sched_arr_time": 5}
    rest = dict.fromkeys({*CATEGORICAL, *NUMERIC} - {"day"})
    row = derive(pl.DataFrame([rest | flight | times])).row(0, named=True)
    assert row["weekday"] == 1
    assert row["plane_age"] == 12
    assert row["departure_minute"] == 17 * 60 + 45
    assert row["arrival_minute"] == 5
    assert list(row) == [*CATEGORICAL, *NUMERIC]


@pytest.mark.parametrize("column", CATEGORICAL)
def test_a_category_never_seen_is_scored_as_a_missing_one(
    released: Project, table: pl.DataFrame, column: str
) -> None:
    never_seen = table.with_columns(pl.lit("new").alias(column))
    missing = table.with_columns(pl.lit(None, pl.String).alias(column))
    np.testing.assert_array_equal(scored(released, never_seen), scored(released, missing))


def test_every_value_may_be_missing(released: Project, table: pl.DataFrame) -> None:
    usual = scored(released, table)
    for column in set(table.columns) - set(KEPT):
        scored(released, table.with_columns(pl.lit(None, table.schema[column]).alias(column)))
    nothing = table.select(
        column if column in KEPT else pl.lit(None, dtype).alias(column)
        for column, dtype in table.schema.items()
    )
    assert np.abs(scored(released, nothing) - usual).max() > 0.01


def test_a_row_is_scored_alone_as_among_others(released: Project, table: pl.DataFrame) -> None:
    together = scored(released, table)
    alone = [scored(released, table[row])[0] for row in range(5)]
    np.testing.assert_array_equal(alone, together[:5])


def test_a_pandas_table_is_scored_as_well(released: Project, table: pl.DataFrame) -> None:
    model = tracking.load_model(released.params.model_name, "1")
    scores = model.predict_proba(table.to_pandas())[:, 1]
    np.testing.assert_allclose(scores, scored(released, table), rtol=0, atol=1e-12)


SCORE = """
import sys
import numpy as np
from {package} import model, tracking
from {package}.workspace import read_parquet
from upath import UPath

try:
    model.derive(None)
except ZeroDivisionError:
    print("derive was changed")
table = read_parquet(UPath(sys.argv[1])).drop("late").head(200)
loaded = tracking.load_model(sys.argv[2], "1")
np.save(sys.argv[3], model.probability(loaded, table))
"""


def test_a_champion_outlives_a_change_of_the_features(
    released: Project, table: pl.DataFrame, tmp_path: Path
) -> None:
    """Score in a fresh process, whose `derive` can no longer be called."""
    name, folder = package.__name__, Path(str(package.__file__)).parent
    copy = shutil.copytree(folder, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    changed = "\n\ndef derive(table):\n    return 1 / 0\n\n\nCATEGORICAL = NUMERIC = ()\n"
    with (copy / "model.py").open("a", encoding="utf-8") as source:
        source.write(changed)
    script = tmp_path / "score.py"
    script.write_text(SCORE.format(package=name), encoding="utf-8")
    run = released.plan("2013-04")
    features, scores = Workspace(run).features("2013-04"), tmp_path / "scores.npy"
    done = subprocess.run(
        [sys.executable, script, str(features), released.params.model_name, scores],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "derive was changed" in done.stdout
    np.testing.assert_array_equal(np.load(scores), scored(released, table))
