"""A model carries the team's code, and loads only under the Python that made it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import {{{ cookiecutter.package_name }}} as package
from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.files import read_parquet
from {{{ cookiecutter.package_name }}}.runtime.registry import pickling, registry
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import RunDir
from {{{ cookiecutter.package_name }}}.runtime.steps.evaluate import evaluate

from .conftest import P, Project, V, copy_package, python

SCORE = """
import sys

import numpy as np
import polars as pl

from {package} import model
from {package}.runtime.registry.registry import load_model

assert not hasattr(model, "build_model")
name, version, method, rows, scores = sys.argv[1:]
np.save(scores, getattr(load_model(name, version), method)(pl.read_parquet(rows)))
"""


def test_a_champion_outlives_the_code_that_built_it(released: Project, tmp_path: Path) -> None:
    """Score in a process whose `model.py` is empty."""
    (copy_package(tmp_path) / "model.py").write_text("")
    rows, scores = tmp_path / "rows.parquet", tmp_path / "scores.npy"
    table = read_parquet(RunDir(released.plan(P[4])).features(P[4])).head(200)
    inputs = table.drop(room.features().LABEL)
    inputs.write_parquet(rows)
    name, method = released.params.model_name, room.model().PREDICT_METHOD
    script = SCORE.format(package=package.__name__)
    done = python(tmp_path, "-c", script, name, V[1], method, rows, scores)
    assert done.returncode == 0, done.stderr
    expected = getattr(registry.load_model(name, V[1]), method)(inputs)
    np.testing.assert_array_equal(np.load(scores), expected)


def test_a_champion_made_by_another_python(
    released: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its compiled code would crash this one."""
    name = released.params.model_name
    assert registry.load_model(name, V[1])
    monkeypatch.setattr(pickling, "python_version", lambda: "3.99.1")
    with pytest.raises(
        BadInput, match=rf"Version {V[1]} of .* was made by Python 3\.\d+\.\d+ and loads"
    ):
        registry.load_model(name, V[1])


def test_a_challenger_made_by_another_python(evaluated: Project) -> None:
    """As of a run that began in an image and is resumed outside of it."""
    run = evaluated.plan(P[5])
    file = RunDir(run).training
    training: dict[str, Any] = json.loads(file.read_bytes())
    file.write_text(json.dumps(training | {"python": "3.99.1"}))
    with pytest.raises(BadInput, match=f"The model of run {run.run_id} was made by Python 3.99"):
        evaluate(run)
