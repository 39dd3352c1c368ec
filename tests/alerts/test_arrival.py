"""The alerts of `make run`, as they arrive at each target. Airflow's are in tests/ui."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.alerts.arrival import check_arrived, check_sent_once, variables
from tests.alerts.receiver import Receiver
from tests.projects import ORCHESTRATORS, Project, clone
from tests.shell import change

pytestmark = [pytest.mark.slow, pytest.mark.matrix, pytest.mark.xdist_group("alerts arrival")]


@dataclass(frozen=True)
class Runs:
    """The runs of a project, whose alerts go to all targets."""

    project: Project
    receiver: Receiver
    column: str

    def run(self, *words: str, ends: int = 0) -> str:
        """Run a command of the package; return its output."""
        given = variables(self.receiver)
        environment = ["env", *(f"{name}={value}" for name, value in given.items())]
        python = self.project.folder / ".venv/bin/python"
        done = self.project.shell(
            *environment, python, "-m", "my_pipeline", *words, cwd=self.project.folder, ok=False
        )
        said = done.stdout + done.stderr
        assert done.returncode == ends, said
        assert not [secret for secret in self.receiver.secrets if secret in said]
        return said

    def expect(self, kind: str, title: str, *words: str) -> dict[str, str]:
        """Check that an alert arrived everywhere."""
        return check_arrived(self.receiver, self.column, kind, title, *words)

    def tune(self, before: str, after: str) -> None:
        """Change a parameter."""
        change(self.project.folder / "params.yaml", before, after)


@pytest.fixture(scope="module", params=["Prefect", "Kubeflow"])
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runs]:
    """Yield a project of an orchestrator to tests that build on each other."""
    whole: Project = request.getfixturevalue(ORCHESTRATORS[request.param.lower()])
    project = clone(whole, tmp_path_factory.mktemp("alerts") / "my-pipeline")
    with Receiver() as receiver:
        yield Runs(project, receiver, request.param)


def test_a_release_is_alerted(runs: Runs) -> None:
    runs.run("run", "--period", "2013-05")
    said = runs.expect("champion_changed", "2013-05: the champion is version 1", "auc 0.")
    assert said["run_url"] is None
    assert "/#/experiments/" in said["tracker_url"]


def test_a_finished_run_sends_no_second_alert(runs: Runs) -> None:
    before = len(runs.receiver.arrived)
    runs.run("run", "--period", "2013-05")
    assert len(runs.receiver.arrived) == before


def test_a_rejected_challenger_is_alerted(runs: Runs) -> None:
    runs.tune("min_gain: 0.0", "min_gain: 0.9")
    runs.run("run", "--period", "2013-06")
    title = "2013-06: the challenger was rejected"
    runs.expect("challenger_rejected", title, ", the champion's 0.")
    runs.tune("min_gain: 0.9", "min_gain: 0.0")


def test_bad_data_are_alerted(runs: Runs) -> None:
    runs.project.damage("2013-07")
    runs.run("run", "--period", "2013-07", ends=3)
    title, finding = "2013-07 is in quarantine", "2013-07: flights.dest: the column is missing"
    runs.expect("quarantined", title, finding, "make run PERIOD=2013-07")


def test_a_failure_is_alerted_with_its_step(runs: Runs) -> None:
    """A file is where a folder should be. The retries fail too, and send no alert."""
    planning = (
        "from datetime import UTC, datetime; from my_pipeline.runtime.config import load_params;"
        "from my_pipeline.runtime.run.plan import plan_run;"
        "print(plan_run(load_params(), '2013-06', datetime.now(UTC)).folder)"
    )
    runs.tune("max_iter: 150", "max_iter: 140")
    Path(runs.project.run_code(planning).strip(), "curves").touch()
    runs.run("run", "--period", "2013-06", ends=1)
    said = runs.expect("run_failed", "2013-06 failed at evaluate", "make run PERIOD=2013-06")
    assert said["step"] == "evaluate"


def test_a_missed_deadline_is_alerted_once(runs: Runs) -> None:
    runs.tune("champion_days: null", "champion_days: 3")
    for _ in range(2):
        assert "no run started" in runs.run("deadlines", ends=1)
    due = (datetime.now(UTC) - timedelta(days=3)).replace(day=1) - timedelta(days=1)
    title = f"{due:%Y-%m} has no champion in time"
    runs.expect("deadline_missed", title, "within 3 days of its end: no run started")


def test_no_alert_was_sent_twice(runs: Runs) -> None:
    check_sent_once(runs.receiver)
