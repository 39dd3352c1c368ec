"""DVC on a fresh project: stages that repeat a run, experiments, metrics, plots, data versions."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.projects import Project, clone

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("default project")]

Dvc = Callable[..., str]


@pytest.fixture(scope="module")
def fresh(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return one project to the tests of this file, which follow each other."""
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


def test_with_nothing_changed_nothing_is_done(dvc: Dvc) -> None:
    assert dvc("repro").count("didn't change, skipping") == 6


def test_a_lock_that_is_behind_or_cannot_be_read_is_no_good_one(fresh: Project) -> None:
    fresh.make("dvc-check")
    for file, old, new, said in (
        ("params.yaml", "max_iter: 150", "max_iter: 100", "dvc.lock is behind: run `make repro`"),
        ("dvc.yaml", "stages:", "stages: [", "dvc.yaml"),
    ):
        path = fresh.folder / file
        kept = path.read_text()
        assert old in kept
        path.write_text(kept.replace(old, new))
        try:
            assert said in fresh.make("dvc-check", ok=False)
        finally:
            path.write_text(kept)


def test_an_experiment_runs_what_its_parameter_touches(fresh: Project, dvc: Dvc) -> None:
    fresh.shell.commit(fresh.folder, "Reproduced")
    before = metrics(fresh)
    said = dvc("exp", "run", "-S", "train.learning_rate=0.2")
    assert said.count("didn't change, skipping") == 4
    assert metrics(fresh)["auc"] != before["auc"]
    compared = json.loads(dvc("metrics", "diff", "--json"))
    auc = compared["experiment/metrics.json"]["auc"]
    assert (auc["old"], auc["new"]) == (before["auc"], metrics(fresh)["auc"])
    assert fresh.champion() == "1"


def test_its_plots_are_drawn(fresh: Project, dvc: Dvc) -> None:
    page = Path(dvc("plots", "show").strip().removeprefix("file://"))
    assert page.is_relative_to(fresh.folder)
    drawn = page.read_text()
    for plot in ("ROC", "Precision_and_recall", "Calibration"):
        assert f"vegaEmbed('#{plot}'" in drawn
    for axis in ("true_positive_rate", "precision", "observed"):
        assert f'"title": "{axis}"' in drawn


def test_what_is_pushed_is_pulled(fresh: Project, dvc: Dvc) -> None:
    before = metrics(fresh)
    dvc("push")
    fresh.shell("rm", "-rf", ".dvc/cache", "experiment/model.pkl", cwd=fresh.folder)
    dvc("pull")
    assert (fresh.folder / "experiment/model.pkl").stat().st_size > 0
    assert dvc("repro").count("didn't change, skipping") == 6
    assert metrics(fresh) == before


def test_git_keeps_parameters_metrics_and_the_lock(fresh: Project) -> None:
    changed = fresh.shell("git", "status", "--porcelain", cwd=fresh.folder).stdout.split("\n")
    assert {line[3:] for line in changed if line} == {
        "dvc.lock",
        "experiment/metrics.json",
        "params.yaml",
    }


def test_the_data_of_a_run_come_back(fresh: Project) -> None:
    run_id = fresh.results()["2013-05"]["run_id"]
    said = fresh.make("data", f"VERSION={run_id}")
    back = fresh.folder / said.partition("source: ")[2].partition("`")[0]
    copies = fresh.folder / "runs" / run_id / "raw"
    fresh.shell("diff", "-r", copies, back)
    assert "Kept the data of 1 run and removed " in fresh.make("prune")
    fresh.shell("rm", "-rf", back)
    fresh.make("data", f"VERSION={fresh.results()['2013-05']['data_version']}")
    fresh.shell("diff", "-r", copies, back)


def test_an_unknown_version_is_refused(fresh: Project) -> None:
    said = fresh.make("data", "VERSION=2013-05-00000000", ok=False)
    assert "error: '2013-05-00000000' is neither a run that is kept nor a data version" in said
    assert "Traceback" not in said


def test_a_change_is_shown_alone_where_what_it_repairs_fails(fresh: Project) -> None:
    """`make compare` with a commit that works is what the tests of ci.yml execute."""
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
    assert page.count("  line [") == 2
