"""A model that changed between two periods: the former champion is still scored, and compared.

The change is made to a copy of the package, on which the next period then runs in a process of its
own, as it would after a commit.
"""

from pathlib import Path

import numpy as np
import pytest

from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.files import read_json, read_parquet
from {{{ cookiecutter.package_name }}}.runtime.registry import registry
from {{{ cookiecutter.package_name }}}.runtime.results import Evaluation
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import Run, RunDir

from .conftest import ROOT, P, Project, V, copy_package, python

PERIOD = P[5]

# Appended to the team's modules: a class that only the copy has, and a rule that always releases.
CHANGES = {
    "model.py": """
from sklearn.pipeline import Pipeline as Stages

former = build_model


class OnHalfOfTheRows(Stages):
    def fit(self, rows, labels):
        return super().fit(rows[::2], labels[::2])


def build_model(params, seed):
    return OnHalfOfTheRows([("former", former(params, seed))])
""",
    "evaluation.py": """

def decide(limits, challenger, champion):
    return True, "it is new"
""",
}

RUN = """
import sys
from pathlib import Path

sys.path.append(sys.argv[2])
from tests.runtime.conftest import Project

print(Project(Path.cwd()).work(sys.argv[1]).model_dump_json())
"""


def run_changed(folder: Path) -> Run:
    """Run the period on a changed copy of the package."""
    copy = copy_package(folder / "code")
    for name, change in CHANGES.items():
        with (copy / name).open("a", encoding="utf-8") as module:
            module.write(change)
    done = python(copy.parent, "-c", RUN, PERIOD, ROOT)
    assert done.returncode == 0, done.stderr
    return Run.model_validate_json(done.stdout.splitlines()[-1])


def score(project: Project, version: str, run: Run) -> list[float]:
    """Return what a version predicts for the period, in this process, whose code is unchanged."""
    rows = read_parquet(RunDir(run).features(PERIOD)).drop(room.features().LABEL)
    name = project.params.model_name
    return [float(value) for value in registry.score(name, version, room.model().predict, rows)]


def test_the_former_champion_is_compared(evaluated: Project) -> None:
    unchanged = evaluated.plan(PERIOD)
    former = registry.champion(evaluated.params.model_name)
    changed = run_changed(evaluated.folder)
    assert changed.run_id != unchanged.run_id

    before, after = (read_json(RunDir(run).evaluation, Evaluation) for run in (unchanged, changed))
    assert after.champion == before.champion == former
    assert after.champion_metrics == before.champion_metrics is not None
    assert after.metrics != before.metrics

    result = evaluated.result(changed)
    assert result.status == "released"
    assert result.champion_after == registry.champion(evaluated.params.model_name)
    # The code of before loads both, and so a rollback works.
    predictions = read_parquet(RunDir(changed).scores)[room.model().PREDICTION]
    assert score(evaluated, V[2], changed) == pytest.approx(predictions.to_list(), abs=1e-12)
    assert len(np.unique(score(evaluated, V[1], changed))) > 1
