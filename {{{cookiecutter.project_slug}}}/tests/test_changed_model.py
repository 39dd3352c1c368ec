"""A model that changed between two periods: the former champion is still scored, and compared.

Each change is made to the files of a copy of the package, on which the next period then runs in a
process of its own, as it would after a commit.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import {{{ cookiecutter.package_name }}} as package
from {{{ cookiecutter.package_name }}} import tracking
from {{{ cookiecutter.package_name }}}.model import probability
from {{{ cookiecutter.package_name }}}.results import Result, history
from {{{ cookiecutter.package_name }}}.steps.evaluate import Evaluation
from {{{ cookiecutter.package_name }}}.workspace import (
    Run,
    Workspace,
    read_json,
    read_parquet,
)

from .conftest import ROOT, Project, copy_of, enter

OTHER_FEATURES = """
former = derive


def derive(table):
    return former(table).with_columns(pl.col("day") // 7)


NUMERIC = (*(feature for feature in NUMERIC if feature not in ("weekday", "engines")), "engines")
"""
ANOTHER_CLASS = """
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier

former = build_model


class Mean(ClassifierMixin, BaseEstimator):
    def __init__(self, models):
        self.models = models

    def fit(self, table, late):
        self.classes_ = np.unique(late)
        for model in self.models:
            model.fit(table, late)
        return self

    def predict_proba(self, table):
        return np.mean([model.predict_proba(table) for model in self.models], axis=0)


def build_model(params, seed):
    before = former(params, seed)
    forest = RandomForestClassifier(30, min_samples_leaf=20, random_state=seed)
    return Mean([before, Pipeline([*former(params, seed).steps[:-1], ("classify", forest)])])
"""

RUN = """
import sys
from pathlib import Path

from tests.conftest import Project

print(Project(Path.cwd()).work(sys.argv[1]).model_dump_json())
"""


@pytest.fixture(scope="module")
def weak(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose champion of 2013-04 is so weak that a challenger of any kind beats it.

    With the model as it is, 2013-05 was run up to the evaluation.
    """
    folder = shutil.copytree(fresh, tmp_path_factory.mktemp("weak") / "project")
    with pytest.MonkeyPatch.context() as patch:
        project = enter(folder, patch)
        project.tune(train__max_iter=1, evaluate__min_auc=0.5)
        project.work("2013-04")
        project.tune(train__max_iter=30)
        project.work("2013-05", last="evaluate")
    return folder


def run_changed(folder: Path, change: str, period: str) -> Run:
    """Run a period on a copy of the package with `change` at the end of its `model.py`."""
    code, name = folder / "code", package.__name__
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(str(package.__file__)).parent, code / name, ignore=ignore)
    with (code / name / "model.py").open("a", encoding="utf-8") as model:
        model.write(change)
    done = subprocess.run(
        [sys.executable, "-c", RUN, period],
        env=os.environ | {"PYTHONPATH": f"{code}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Run.model_validate_json(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("change", [OTHER_FEATURES, ANOTHER_CLASS], ids=["features", "class"])
def test_the_former_champion_is_compared(
    weak: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    project = enter(copy_of(weak, tmp_path), monkeypatch)
    unchanged = Workspace(project.plan("2013-05"))
    former = tracking.champion(project.params.model_name)
    run = run_changed(project.folder, change, "2013-05")
    changed = Workspace(run)
    assert run.run_id != unchanged.folder.name

    before, after = (read_json(w.evaluation, Evaluation) for w in (unchanged, changed))
    assert after.champion == before.champion == former
    assert after.champion_metrics == before.champion_metrics is not None
    assert after.metrics != before.metrics
    assert after.reason.startswith("better than the champion")

    result = history("runs")[run.run_id]
    assert isinstance(result, Result)
    assert result.status == "released"
    assert result.champion_after == tracking.champion(project.params.model_name)
    # Whoever has the code of before loads both, and so a rollback works.
    assert score(project, "2", changed) == pytest.approx(
        read_parquet(changed.scores)["probability"].to_list(), abs=1e-12
    )
    assert len(np.unique(score(project, "1", changed))) > 1


def score(project: Project, version: str, workspace: Workspace) -> list[float]:
    """Score the period of a run with a version, in this process, whose code is not changed."""
    inputs = read_parquet(workspace.features("2013-05")).drop("late")
    model = tracking.load_model(project.params.model_name, version)
    return [float(value) for value in probability(model, inputs)]
