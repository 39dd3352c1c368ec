"""Faults of production, met by runs of KFP's local runner: each task is a process of its own."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.alerts.receiver import Receiver
from tests.faults.killing import PLACES, Killer
from tests.faults.outages import DEATHS, ILL_SOURCES, HttpSource, SmallDisk, Tracker
from tests.faults.survival import BY_ITSELF, PERIOD, STEPS, Undisturbed, look, survived
from tests.projects import PATIENCE, Project, clone, until
from tests.tables import FAULTS, record

pytestmark = [pytest.mark.slow, pytest.mark.matrix, pytest.mark.xdist_group("faults kubeflow")]

COLUMN = "Kubeflow"
GIVEN_AGAIN = "the same command resumed it"

# When a server in UTC starts the runs of a year, by the clocks of the data.
HOURS = """
from datetime import UTC, datetime
from zoneinfo import ZoneInfo
from my_pipeline.tables import TIME_ZONE
from pipelines.schedule import CRON
_, minute, hour, day, *_ = CRON.split()
for month in range(1, 13):
    start = datetime(2026, month, int(day), int(hour), int(minute), tzinfo=UTC)
    print(f"{start.astimezone(ZoneInfo(TIME_ZONE)):%d. at %-H:%M}")
"""


@pytest.fixture(scope="module")
def undisturbed(kubeflow: Project, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Give how a run ends that nothing disturbs."""
    project = clone(kubeflow, tmp_path_factory.mktemp("undisturbed") / "my-pipeline")
    project.make("run", f"PERIOD={PERIOD}")
    return look(project)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


class Faulty:
    """A project of a test's own, and its runs for a period, which meet a fault."""

    def __init__(
        self, project: Project, undisturbed: Undisturbed, receiver: Receiver, log: Path
    ) -> None:
        self.project, self.undisturbed, self.receiver = project, undisturbed, receiver
        self.log = log
        self.environment = receiver.environment() | {"ALERT_URLS": receiver.urls()["webhook"]}

    def begin(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        given = words or ("run", "--period", PERIOD)
        return self.project.begin(
            self.log, "-m", "my_pipeline", *given, **self.environment, **variables
        )

    def ends_well(self, *words: str, **variables: str) -> None:
        """Give the command, and see it do its work."""
        self.waits_for(self.begin(*words, **variables))

    def waits_for(self, process: subprocess.Popen[str]) -> None:
        assert process.wait(PATIENCE) == 0, self.said()

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def there(self, pattern: str) -> list[Path]:
        """Return what is there of a run's folder."""
        return list(self.project.folder.glob(f"runs/{PERIOD}-*/{pattern}"))

    def survived(self, fault: str, went: str, *before: str) -> None:
        survived(fault, COLUMN, self.project, self.undisturbed, self.receiver, went, before)

    def tune(self, **values: Any) -> None:
        """Change parameters."""
        file = self.project.folder / "params.yaml"
        file.write_text(yaml.safe_dump(yaml.safe_load(file.read_bytes()) | values))


@pytest.fixture
def faulty(
    kubeflow: Project, undisturbed: Undisturbed, receiver: Receiver, tmp_path: Path
) -> Iterator[Faulty]:
    """Give a project in which nothing has run, and nothing does in the end."""
    project = clone(kubeflow, tmp_path / "my-pipeline")
    yield Faulty(project, undisturbed, receiver, tmp_path / "run.log")
    until(lambda: not project.processes())


@pytest.mark.parametrize("step", STEPS)
def test_the_process_of_a_step_is_killed(faulty: Faulty, step: str) -> None:
    """Between writing and renaming the file that it is there to make."""
    killer = Killer(faulty.project.folder / "killer")
    # `make run` plans first, by itself: the task of that name writes what comes of it here.
    killer.at("/.jobs/" if step == "plan" else PLACES[step])
    faulty.ends_well(**killer.variables)
    assert killer.done
    faulty.survived(f"{step}: its process is killed", BY_ITSELF)


def test_the_worker_is_killed(faulty: Faulty) -> None:
    """That is the local runner, while its task trains; the task comes to its end, and no other."""
    process = faulty.begin()
    until(lambda: faulty.there(".locks/train"), process)
    process.kill()
    process.wait(PATIENCE)
    until(lambda: not faulty.project.processes())
    assert faulty.there("steps/train.json")
    assert not faulty.there("result.json")
    assert not faulty.receiver.arrived
    for _ in range(2):
        check = faulty.begin("deadlines", "--run-minutes", "0.001")
        assert check.wait(PATIENCE) == 1, faulty.said()
    faulty.receiver.wait_for(1)
    faulty.ends_well()
    assert "train: done before" in faulty.said()
    faulty.survived("the worker is killed", GIVEN_AGAIN, f"{PERIOD} has not ended in time")


def test_the_server_is_killed() -> None:
    record(FAULTS, "the server or scheduler is killed", COLUMN, "not run: needs a cluster")
    pytest.skip("it needs a cluster: the local runner has no server")


@pytest.mark.parametrize(("fault", "times", "hangs"), ILL_SOURCES)
def test_the_source_is_ill(faulty: Faulty, fault: str, times: int, hangs: bool) -> None:
    """As soon as periods are ingested."""
    folder = faulty.project.folder / "data/source"
    with HttpSource(folder, lambda: faulty.there(".locks/ingest-*"), times, hangs=hangs) as source:
        faulty.tune(source=source.address, source_timeout=5)
        faulty.ends_well()
        assert source.left == 0
    assert ("did not answer in 5 s" if hangs else "Service Unavailable") in faulty.said()
    faulty.survived(fault, BY_ITSELF)


@pytest.mark.parametrize(("doing", "step", "request_"), DEATHS)
def test_the_tracker_is_down(
    faulty: Faulty,
    doing: str,
    step: str,
    request_: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It dies of a request, and is there again once the task has failed."""
    dies_at = f"POST /api/2.0/mlflow/{request_}"
    with Tracker(faulty.project, tmp_path / "tracker.log", dies_at) as tracker:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", tracker.address)
        process = faulty.begin()
        until(lambda: f"{step} failed: " in faulty.said(), process)
        assert tracker.process is None
        trained = [file.read_bytes() for file in faulty.there("steps/train.json")]
        tracker.start()
        faulty.waits_for(process)
        if step == "release":
            assert trained == [file.read_bytes() for file in faulty.there("steps/train.json")]
        faulty.survived(f"the tracker is down while {doing}", BY_ITSELF)


def test_the_storage_of_data_versions_is_closed(faulty: Faulty) -> None:
    in_the_way = faulty.project.folder / "data/remote"
    in_the_way.write_text("a file where the folder should be", encoding="utf-8")
    process = faulty.begin()
    until(lambda: "snapshot failed: " in faulty.said(), process)
    in_the_way.unlink()
    faulty.waits_for(process)
    faulty.survived("the snapshot storage is not writable", BY_ITSELF)


def test_the_disk_is_full(faulty: Faulty) -> None:
    """As the model is fitted; it stays so until KFP gives up."""
    with SmallDisk(faulty.project.folder / "runs") as disk:
        process = faulty.begin()
        until(lambda: faulty.there(".locks/train"), process)
        disk.fill()
        assert process.wait(PATIENCE) == 1
        assert "train failed: [Errno 28] No space left on device" in faulty.said()
        disk.free()
        faulty.ends_well()
        faulty.survived("the disk is full", GIVEN_AGAIN, f"{PERIOD} failed at train")


def test_two_runs_for_one_period(faulty: Faulty) -> None:
    for process in [faulty.begin(), faulty.begin()]:
        faulty.waits_for(process)
    assert re.search(": done (before|by)", faulty.said())
    faulty.survived("two runs for one period", "both succeeded; the work was done once")


def test_ctrl_c(faulty: Faulty) -> None:
    process = faulty.project.start(faulty.log, "run", f"PERIOD={PERIOD}", **faulty.environment)
    until(lambda: "snapshot: the data are" in faulty.said(), process)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(PATIENCE) != 0
    until(lambda: not faulty.project.processes())
    faulty.ends_well()
    assert "snapshot: done before" in faulty.said()
    faulty.survived("Ctrl-C", GIVEN_AGAIN)


def test_the_schedule_meets_summer_time(kubeflow: Project) -> None:
    hours = kubeflow.run_code(HOURS).splitlines()
    winter, summer = "02. at 6:00", "02. at 7:00"
    assert hours == [winter] * 3 + [summer] * 7 + [winter] * 2
    seen = "starts on time; an hour late in summer"
    record(FAULTS, "the schedule across daylight saving time", COLUMN, seen)


def test_the_period_is_december(faulty: Faulty) -> None:
    """The newest period, as the schedule takes it."""
    faulty.ends_well("run")
    result = faulty.project.results()["2013-12"]
    (plan,) = faulty.project.folder.glob("runs/2013-12-*/plan.json")
    assert json.loads(plan.read_bytes())["window"] == ["2013-09", "2013-10", "2013-11"]
    (alert,) = faulty.receiver.arrived
    title = alert.payload["title"].partition(": ")[2]
    record(FAULTS, "the period is December", COLUMN, f"{result['status']}; alerts: {title}")
