"""Whatever keeps the runs and the models: the same metrics, decisions and results.

MLflow is in all other tests. A tracker needs an entry in `TRACKERS`, and a column of its own in
docs/tracker-faults.md.
"""

import json
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.offered import BESIDE_MLFLOW, TRACKERS
from tests.projects import ORCHESTRATORS, Project, clone, install, run_may, run_runtime_tests
from tests.run.test_parity import CHAMPIONS, assert_same
from tests.shell import Shell
from tests.tables import TRACKERS as PAGE
from tests.tables import record
from tests.trackers.wandb_server import WandbServer

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("run parity")]

# What `make test` runs shares a worker with test_parity.py, whose runs it compares with.
GROUPS = {
    tracker: [pytest.mark.matrix, pytest.mark.xdist_group(f"tracker {tracker}")]
    for tracker in TRACKERS
}
IN_MATRIX = [pytest.param(tracker, marks=GROUPS[tracker]) for tracker in TRACKERS]
PAIRS_IN_MATRIX = [
    pytest.param(tracker, name, marks=GROUPS[tracker])
    for tracker in BESIDE_MLFLOW
    for name in ORCHESTRATORS
]
PAIRS = [
    pytest.param(tracker, name, marks=[] if name == TRACKERS[tracker].quick else GROUPS[tracker])
    for tracker in BESIDE_MLFLOW
    for name in ORCHESTRATORS
]

# A row of docs/tracker-faults.md, and the tests of a project that must pass for it to hold.
KEPT = {
    "champion and challenger are evaluated on the same period": (
        "test_release.py::test_the_champion_is_evaluated_on_the_same_period"
    ),
    "what scores differently when loaded is not released": (
        "test_release.py::test_a_model_that_scores_differently_when_loaded"
    ),
    "a rollback, forth and back": "test_release.py::test_rolling_back_and_forth",
    "a resumed run does not undo a rollback": "test_release.py::test_a_resumed_run_does_not_undo",
    "a step that is repeated doubles no run": "test_training.py::test_training_is_tracked_once",
    "a release that is repeated doubles no version": "test_release.py::test_releasing_twice",
    "one release at a time": "test_release.py::test_one_release_at_a_time",
    "another release since the evaluation": "test_release.py::test_after_another_release",
    "killed at twenty of the writes of a training": (
        "test_kills.py::test_killed_as_it_writes[train"
    ),
    "killed at twenty of the writes of a release": (
        "test_kills.py::test_killed_as_it_writes[release"
    ),
    "nothing answers in a training": "test_outage.py::test_nothing_answers[training",
    "nothing answers as a version is registered": (
        "test_outage.py::test_nothing_answers[registering"
    ),
    "nothing answers as a version is released": "test_outage.py::test_nothing_answers[releasing",
    "`make doctor` says that nothing answers": "test_doctor.py::test_what_is_missing_is_reported",
    "the champion of another tracker is carried over": (
        "test_import_champion.py::test_the_champion_is_carried_over"
    ),
}
INSIDE = Path(__file__).parent / "inside"


@pytest.fixture(scope="module")
def tracked(shell: Shell, request: pytest.FixtureRequest) -> Callable[[str, str], Project]:
    """Give the project of a tracker and an orchestrator, in which May has run."""

    @cache
    def make(tracker: str, orchestrator: str) -> Project:
        like: Project = request.getfixturevalue(ORCHESTRATORS[orchestrator])
        answers = {"tracker": tracker, "orchestrator": orchestrator}
        worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")  # two may want the same one
        project = install(shell, f"{tracker}-on-{orchestrator}-of-{worker}", like, **answers)
        project.make("run", "PERIOD=2013-05")
        return project

    return make


def neutral(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result without what names the tracker, or is named by it."""
    same = {name: value for name, value in result.items() if name != "tracker"}
    if before := result["champion_before"]:
        same["reason"] = same["reason"].replace(f"of version {before['version']}", "of it")
    for who in CHAMPIONS:
        if same[who]:
            same[who] = {name: value for name, value in same[who].items() if name != "version"}
    return same


@pytest.mark.parametrize(("tracker", "orchestrator"), PAIRS)
def test_a_run_gives_the_same(
    tracker: str,
    orchestrator: str,
    tracked: Callable[[str, str], Project],
    on_airflow: Project,
) -> None:
    """As under MLflow, on Airflow: tests/run/test_parity.py compares orchestrators."""
    run_may(on_airflow)
    project, expected = tracked(tracker, orchestrator), on_airflow.results()["2013-05"]
    found = project.results()["2013-05"]
    assert (found["status"], found["tracker"]) == ("released", TRACKERS[tracker].name)
    assert_same(neutral(expected), neutral(found))
    assert found["champion_after"]["version"] in project.make("status")


def test_wandb_takes_what_was_logged_offline(tracked: Callable[[str, str], Project]) -> None:
    """The parts of a run, one of each step, become one run, after a refused file, too.

    The refused one is sent again, with those that follow it.
    """
    project = tracked("wandb", TRACKERS["wandb"].quick)
    result = project.results()["2013-05"]

    def upload(server: WandbServer, *, ok: bool = True) -> str:
        key = "0" * 40
        return project.make("sync", ok=ok, WANDB_API_KEY=key, WANDB_BASE_URL=server.address)

    with WandbServer(refused="my-pipeline/model.pkl") as server:
        assert "error: W&B did not take all of 1 run: " in upload(server, ok=False)
        server.refused = ""
        assert "uploaded 1 run to " in upload(server)
        assert "nothing in .wandb waits for its upload" in upload(server)
    ((run_id, run),) = server.runs.items()
    assert run_id == result["run_id"]
    parts = [*project.folder.glob(f".wandb/offline-run-*/run-{run_id}.wandb")]
    config = {name: value["value"] for name, value in json.loads(run["config"]).items()}
    assert (config["period"], config["data_version"]) == ("2013-05", result["data_version"])
    assert config["seed"] == 2013
    assert run["summary"]["status"] == "released"
    assert {name: run["summary"][name] for name in result["metrics"]} == result["metrics"]
    curves = {name for name in run["summary"] if name.startswith("curves/")}
    assert curves == {f"curves/{name}_table" for name in ("roc", "calibration", "precision_recall")}
    (line,) = run["history"]
    assert {*line} >= curves
    assert run["exits"] == [0] * (1 + len(parts)), "the refused one, and each once"
    report = (project.folder / "runs" / run_id / "report.html").read_bytes()
    assert server.files["report/report.html"] == report
    left = [file.read_bytes() for file in project.folder.glob(".wandb/artifacts/staging/*")]
    assert not {report, server.files["my-pipeline/model.pkl"]} & {*left}, "W&B has them"


def test_dvc_shows_the_runs(tracked: Callable[[str, str], Project]) -> None:
    project = tracked("dvclive", TRACKERS["dvclive"].quick)
    assert f"[{project.results()['2013-05']['run_id']}]" in project.make("experiments")


@pytest.mark.parametrize("tracker", BESIDE_MLFLOW)
def test_its_own_tests_pass(tracker: str, tracked: Callable[[str, str], Project]) -> None:
    run_runtime_tests(tracked(tracker, TRACKERS[tracker].quick), tracker)


@pytest.mark.parametrize(("tracker", "orchestrator"), PAIRS_IN_MATRIX)
def test_a_champion_is_compared_and_rolled_back(
    tracker: str,
    orchestrator: str,
    tracked: Callable[[str, str], Project],
    project: Project,
    tmp_path: Path,
) -> None:
    """And the whole project passes its lint."""
    theirs, ours = clone(project, tmp_path / "my-pipeline"), tracked(tracker, orchestrator)
    may = ours.results()["2013-05"]
    for each in (theirs, ours):
        each.make("backfill", "FROM=2013-05", "TO=2013-07")
    assert ours.results()["2013-05"] == may
    for period in ("2013-06", "2013-07"):
        expected, found = (each.results()[period] for each in (theirs, ours))
        assert_same(neutral(expected), neutral(found))
    first, *_, last = (
        ours.results()[p]["champion_after"] for p in ("2013-05", "2013-06", "2013-07")
    )
    if first != last:
        assert "The champion is version" in ours.make("rollback")
    ours.make("predict", "PERIOD=2013-08")
    assert not re.findall("ERROR (?:tracker|registry).*", ours.make("doctor", ok=False))
    ours.make("lint")


@pytest.mark.parametrize("tracker", IN_MATRIX)
def test_what_holds_whatever_fails(
    tracker: str, tracked: Callable[[str, str], Project], project: Project, tmp_path: Path
) -> None:
    """The tests of a project's own, and those that kill its steps; they write the table."""
    like = project if tracker == "mlflow" else tracked(tracker, TRACKERS[tracker].quick)
    copy = clone(like, tmp_path / "my-pipeline")
    for file in INSIDE.glob("*.py"):
        (copy.folder / "tests/runtime" / file.name).write_bytes(file.read_bytes())
    files = {f"tests/runtime/{test.partition('::')[0]}" for test in KEPT.values()}
    pytest_ = ("-m", "pytest", "-q", "-n", "auto", "--dist", "loadfile", "-rA", *sorted(files))
    said = copy.shell(copy.folder / ".venv/bin/python", *pytest_, cwd=copy.folder, ok=False).stdout
    for row, test in KEPT.items():
        ended = re.findall(rf"^([A-Z]+) tests/runtime/{re.escape(test)}", said, re.MULTILINE)
        record(
            PAGE,
            row,
            TRACKERS[tracker].name,
            "holds" if {*ended} == {"PASSED"} else "does not hold",
        )


@pytest.mark.parametrize("tracker", IN_MATRIX[1:])
def test_a_project_changes_its_tracker(
    tracker: str, project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """From MLflow; the champion is carried over, and the next challenger compared with it."""
    shell, folder = project.shell, tmp_path_factory.mktemp("changing") / "my-pipeline"
    before = clone(project, folder)
    before.make("backfill", "FROM=2013-05", "TO=2013-06")
    champion = before.results()["2013-06"]["champion_after"]
    (folder / ".venv").unlink()
    shell("copier", "update", "--defaults", "-d", f"tracker={tracker}", cwd=folder)
    assert not [*folder.glob("src/*/runtime/registry/mlflow_tracker.py")]
    after = Project(folder, shell)
    after.make("setup")
    said = after.make("import-champion")
    assert f"of {champion['period']}." in said
    after.make("run", "PERIOD=2013-07")
    found = after.results()["2013-07"]
    assert found["champion_before"]["run_id"] == champion["run_id"]
    assert found["champion_before"]["metrics"] == champion["metrics"]
    assert re.search(r"champion: AUC [\d.]+ against", found["reason"])
