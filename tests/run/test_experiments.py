"""DVC in a new project: stages that repeat a run, experiments, metrics, plots, data versions."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.projects import Project, clone
from tests.shell import change

pytestmark = [pytest.mark.slow, pytest.mark.matrix, pytest.mark.xdist_group("run experiments")]

Dvc = Callable[..., str]


@pytest.fixture(scope="module")
def fresh(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return the project of this file's tests, which build on each other."""
    return clone(project, tmp_path_factory.mktemp("experiments") / "my-pipeline")


@pytest.fixture(scope="module")
def dvc(fresh: Project) -> Dvc:
    def run(*words: str) -> str:
        return fresh.shell(fresh.folder / ".venv/bin/dvc", *words, cwd=fresh.folder).stdout

    return run


def metrics(project: Project) -> dict[str, float]:
    found: dict[str, float] = json.loads((project.folder / "experiment/metrics.json").read_bytes())
    return found


def test_the_stages_give_the_metrics_of_a_run(fresh: Project) -> None:
    fresh.make("repro", "PERIOD=2013-05")
    fresh.make("run", "PERIOD=2013-05")
    result = fresh.results()["2013-05"]
    assert metrics(fresh) == pytest.approx(result["metrics"], abs=1e-9)
    lock = (fresh.folder / "dvc.lock").read_text()
    assert f"md5: {result['data_version']}.dir" in lock
    assert result["champion_after"]["version"] == "1"  # the experiment registered none
    changed = fresh.shell("git", "diff", "--unified=0", "params.yaml", cwd=fresh.folder).stdout
    lines = [line for line in changed.splitlines() if line[0] in "+-" and line[1] == " "]
    assert lines == ['-  period: "2013-12"', '+  period: "2013-05"']


def test_unchanged_stages_are_skipped(dvc: Dvc) -> None:
    assert dvc("repro").count("didn't change, skipping") == 6


def test_a_stale_lock_and_an_invalid_graph_are_reported(fresh: Project) -> None:
    fresh.make("dvc-check")
    stale = "dvc.lock is out of date: run `make repro`"
    for file, old, new, message in (
        ("params.yaml", "max_iter: 150", "max_iter: 100", stale),
        ("dvc.yaml", "stages:", "stages: [", "dvc.yaml"),
    ):
        path = fresh.folder / file
        kept = path.read_text()
        assert old in kept
        path.write_text(kept.replace(old, new))
        try:
            assert message in fresh.make("dvc-check", ok=False)
        finally:
            path.write_text(kept)


def test_an_experiment_runs_the_stages_of_its_parameter(fresh: Project, dvc: Dvc) -> None:
    fresh.shell.commit(fresh.folder, "Reproduced")
    before = metrics(fresh)
    output = dvc("exp", "run", "-S", "train.learning_rate=0.2")
    assert output.count("didn't change, skipping") == 4
    assert metrics(fresh)["auc"] != before["auc"]
    compared = json.loads(dvc("metrics", "diff", "--json"))
    auc = compared["experiment/metrics.json"]["auc"]
    assert (auc["old"], auc["new"]) == (before["auc"], metrics(fresh)["auc"])
    assert fresh.champion() == "1"


def test_plots(fresh: Project, dvc: Dvc) -> None:
    page = Path(dvc("plots", "show").strip().removeprefix("file://"))
    assert page.is_relative_to(fresh.folder)
    drawn = page.read_text()
    for curve in ("roc", "precision_recall", "calibration"):
        assert f"experiment/plots/{curve}.csv" in drawn
    assert '"true_positive_rate"' not in drawn  # the file says x and y, for curves of any name


def test_a_stale_lock_in_a_fresh_clone_is_reported(fresh: Project, tmp_path: Path) -> None:
    """There, a later stage lacks what the stages before it make."""
    other = clone(fresh, tmp_path / "my-pipeline")
    other.make("dvc-check")
    change(other.folder / "params.yaml", "floor: 0.6", "floor: 0.61")
    said = other.make("dvc-check", ok=False)
    assert "dvc.lock is out of date: run `make repro`" in said
    assert "Errno" not in said


def test_push_and_pull(fresh: Project, dvc: Dvc) -> None:
    before = metrics(fresh)
    dvc("push")
    fresh.shell("rm", "-rf", ".dvc/cache", "experiment/model.pkl", cwd=fresh.folder)
    dvc("pull")
    assert (fresh.folder / "experiment/model.pkl").stat().st_size > 0
    assert dvc("repro").count("didn't change, skipping") == 6
    assert metrics(fresh) == before


def test_git_tracks_parameters_metrics_and_the_lock(fresh: Project) -> None:
    changed = fresh.shell("git", "status", "--porcelain", cwd=fresh.folder).stdout.split("\n")
    assert {line[3:] for line in changed if line} == {
        "dvc.lock",
        "experiment/metrics.json",
        "params.yaml",
    }


def test_compare_with_a_commit_that_fails(fresh: Project) -> None:
    """Only this commit is shown. The tests of ci.yml execute `make compare` with one that works."""
    evaluate = fresh.folder / "src/my_pipeline/runtime/steps/evaluate.py"
    kept = evaluate.read_text()
    evaluate.write_text(f'raise RuntimeError("broken")\n{kept}')
    fresh.shell.commit(fresh.folder, "Break it")
    evaluate.write_text(kept)
    page = fresh.make("compare", "BASE=HEAD", "BASE_NAME=main", "PERIOD=2013-05")
    broken = fresh.shell("git", "rev-parse", "HEAD", cwd=fresh.folder).stdout[:12]
    assert f"**There is no comparison**: on main, the experiment failed on {broken}" in page
    auc = metrics(fresh)["auc"]
    assert re.search(rf"\| auc \|  \| {auc:.4f} \|  \|", page)
    assert page.count("  line [") == len(list((fresh.folder / "experiment/curves").iterdir()))
