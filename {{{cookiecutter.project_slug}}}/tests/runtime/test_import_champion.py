"""`make import-champion`: the champion is carried over to a registry that knows none."""

import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from upath import UPath

from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.files import read_json
from {{{ cookiecutter.package_name }}}.runtime.registry import registry
from {{{ cookiecutter.package_name }}}.runtime.results import Evaluation
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import RunDir
from {{{ cookiecutter.package_name }}}.runtime.steps.import_champion import import_champion
from {{{ cookiecutter.package_name }}}.runtime.steps.release import rollback

from . import tracked
from .conftest import P, Project, V, champion_of, enter

Move = Callable[[Project], Project]


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Move:
    """Return a project with the runs of another, and a tracker that knows none of them."""

    def move(project: Project) -> Project:
        folder = tmp_path / uuid4().hex[:8]
        for name in ("runs", "data"{{{ ', ".dvc"' if cookiecutter.versioning == 'dvc' else '' }}}):
            shutil.copytree(project.folder / name, folder / name)
        shutil.copy(project.folder / "params.yaml", folder)
        entered = enter(folder, monkeypatch)
        tracked.prepare()
        return entered

    return move


def test_the_champion_is_carried_over(evaluated: Project, moved: Move) -> None:
    run = evaluated.work(P[5])
    former = champion_of(evaluated)
    assert former.run_id == run.run_id
    after = moved(evaluated)
    assert registry.champion(after.params.model_name) is None
    assert import_champion(after.params) == champion_of(after) == former
    assert import_champion(after.params) == former  # as after a kill: nothing is doubled
    known = [tracked.logged(found) for found in tracked.runs(after.params.model_name)]
    assert {found.tags["run_id"] for found in known} == {former.run_id, after.plan(P[4]).run_id}
    assert {found.tags["status"] for found in known} == {"imported"}

    now, before = rollback(after.params.model_name, UPath(after.params.runs))
    assert (now.version, before.version, before.period) == (V[2], V[1], P[4])
    later = after.work(P[6], last="evaluate")
    evaluation = read_json(RunDir(later).evaluation, Evaluation)
    assert evaluation.champion == before
    assert evaluation.champion_metrics is not None


def test_what_cannot_be_imported(evaluated: Project, moved: Move) -> None:
    run = evaluated.work(P[5])
    with pytest.raises(BadInput, match=r"Run 2013-nope is not in runs: restore its directory"):
        import_champion(evaluated.params, "2013-nope")
    after = moved(evaluated)
    RunDir(after.plan(P[5])).model.unlink()
    with pytest.raises(BadInput, match=f"The files of run {run.run_id} are missing in .*runs"):
        import_champion(after.params)
    shutil.rmtree(after.folder / "runs")
    with pytest.raises(BadInput, match="No run in runs names a champion: `make run` trains one"):
        import_champion(after.params)


def test_a_champion_is_never_replaced(evaluated: Project) -> None:
    first = champion_of(evaluated)
    evaluated.work(P[5])
    with pytest.raises(BadInput, match=f"Version {V[2]} of .* is the champion here"):
        import_champion(evaluated.params, first.run_id)
