"""Faults of production, met by runs that a Prefect worker starts for a Prefect server."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.alerts.receiver import Receiver
from tests.faults.killing import PLACES, Killer
from tests.faults.outages import DEATHS, ILL_SOURCES, HttpSource, SmallDisk, Tracker
from tests.faults.survival import BY_ITSELF, PERIOD, STEPS, Undisturbed, look, survived
from tests.prefect_server import Servers
from tests.projects import PATIENCE, Project, clone, until
from tests.shell import change
from tests.tables import FAULTS, record

pytestmark = [pytest.mark.slow, pytest.mark.matrix, pytest.mark.xdist_group("faults prefect")]

COLUMN = "Prefect"
CRASHED = "crashed; the same command resumed it"

# When the deployment's schedule is due, by New York's clocks, over a year.
HOURS = """
import asyncio, yaml
from datetime import UTC, datetime
from prefect.server.schemas.schedules import CronSchedule
(wanted,) = yaml.safe_load(open("prefect.yaml"))["deployments"][0]["schedules"]
schedule = CronSchedule(cron=wanted["cron"], timezone=wanted["timezone"])
dates = asyncio.run(schedule.get_dates(12, start=datetime(2026, 1, 1, tzinfo=UTC)))
print(*(f"{date:%d. at %-H:%M}" for date in dates), sep="\\n")
"""

# The newest period that had ended, a second before the year ends in New York, and when it ends.
TURN = """
from datetime import UTC, datetime
from my_pipeline.runtime.config import load_params
from my_pipeline.runtime.run.plan import choose_periods
from my_pipeline.runtime.source.address import source_of
params = load_params()
periods = source_of(params).periods()
for at in datetime(2014, 1, 1, 4, 59, 59, tzinfo=UTC), datetime(2014, 1, 1, 5, tzinfo=UTC):
    print(choose_periods(params, periods, None, at)[0])
"""


class Stage:
    """A project, its server and its worker, which the tests use one after the other."""

    def __init__(
        self, project: Project, servers: Servers, killer: Killer, receiver: Receiver
    ) -> None:
        self.project, self.servers, self.killer = project, servers, killer
        self.receiver = receiver
        self.params = (project.folder / "params.yaml").read_text(encoding="utf-8")
        self.variables: dict[str, str] = {}
        self.alerts = 0

    def clear(self) -> None:
        """Remove what earlier tests ran."""
        folder = self.project.folder
        for name in ("runs", "mlruns", "data/remote", ".dvc/cache", ".dvc/tmp"):
            shutil.rmtree(folder / name, ignore_errors=True)
        for file in folder.glob("mlflow.db*"):
            file.unlink()
        (folder / "params.yaml").write_text(self.params, encoding="utf-8")
        self.receiver.arrived.clear()
        self.variables, self.alerts = {}, 0

    def tune(self, **values: Any) -> None:
        """Change parameters."""
        text = yaml.safe_dump(yaml.safe_load(self.params) | values)
        (self.project.folder / "params.yaml").write_text(text, encoding="utf-8")

    def there(self, pattern: str) -> list[Path]:
        """Return the files of the period's runs that match."""
        return list(self.project.folder.glob(f"runs/{PERIOD}-*/{pattern}"))

    def start(self) -> str:
        """Start a run for the period; return Prefect's id of it."""
        return self.servers.api.start("scheduled", self.variables, period=PERIOD)

    def ends(self, run: str, state: str = "Released") -> None:
        """Wait until a run ends in a state of this name, and its alert arrives."""
        assert self.servers.ended(run) == state, self.servers.log()[-5000:]
        self.alerts += 1
        self.receiver.wait_for(self.alerts, seconds=120)

    def by_hand(self, log: Path, *words: str) -> subprocess.Popen[str]:
        """Start a command of the project."""
        environment = {"ALERT_URLS": self.servers.variables["ALERT_URLS"]}
        return self.project.begin(
            log, "-m", "my_pipeline", *words, **self.receiver.environment(), **environment
        )


@pytest.fixture(scope="module")
def theatre(
    project: Project, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("faults")
    ours = clone(project, folder / "my-pipeline")
    # The server waits for minutes; a test has seconds.
    automations = ours.folder / "flows/automations.py"
    change(automations, "HEARTBEATS = 3 ", "HEARTBEATS = 2 ")
    change(automations, "START = 10 ", "START = 0.5 ")
    killer = Killer(ours.folder / "killer")
    variables = {
        **receiver.environment(),
        **killer.variables,
        "ALERT_URLS": receiver.urls()["webhook"],
    }
    with Servers(ours, folder, variables) as servers:
        servers.deploy(ours)
        yield Stage(ours, servers, killer, receiver)


@pytest.fixture(scope="module")
def undisturbed(theatre: Stage) -> Undisturbed:
    """Return how an undisturbed run ends."""
    theatre.ends(theatre.start())
    return look(theatre.project)


@pytest.fixture
def stage(theatre: Stage, undisturbed: Undisturbed) -> Stage:
    """Return a project in which nothing has run."""
    theatre.servers.revive()
    theatre.clear()
    return theatre


@pytest.fixture
def seen(stage: Stage, undisturbed: Undisturbed) -> Any:
    """Return a function that checks that a run survived a fault, and records how."""

    def see(fault: str, went: str, *before: str) -> None:
        survived(fault, COLUMN, stage.project, undisturbed, stage.receiver, went, before)

    return see


@pytest.mark.parametrize("step", STEPS)
def test_the_process_of_a_step_is_killed(stage: Stage, seen: Any, step: str) -> None:
    """Between writing and renaming the file that it is there to make; its worker notices."""
    stage.killer.at(PLACES[step])
    stage.ends(stage.start(), "Crashed")
    assert stage.killer.done
    (alert,) = stage.receiver.arrived
    same = f".venv/bin/prefect deployment run training/scheduled --param period={PERIOD}"
    assert alert.payload["rerun"] == same
    stage.ends(stage.start())
    seen(f"{step}: its process is killed", CRASHED, f"{PERIOD} crashed at {step}")


def test_the_worker_is_killed(stage: Stage, seen: Any) -> None:
    """With what it runs, as a machine that loses its power does: only the server notices."""
    run = stage.start()
    until(lambda: stage.there(".locks/train"))
    stage.servers.kill_worker(with_runs=True)
    stage.ends(run, "Vanished")
    stage.servers.start_worker()
    stage.ends(stage.start())
    assert "snapshot: done before" in stage.servers.log()
    seen("the worker is killed", CRASHED, f"{PERIOD} vanished")


def test_the_worker_alone_is_killed(stage: Stage) -> None:
    """The process of its run ends by itself, and says so."""
    run = stage.start()
    until(lambda: stage.there(".locks/train"))
    stage.servers.kill_worker(with_runs=False)
    stage.ends(run, "Crashed")
    (alert,) = stage.receiver.arrived
    assert alert.payload["title"].endswith(f": {PERIOD} crashed at train")
    run = stage.start()
    stage.receiver.wait_for(2, seconds=120)
    assert stage.receiver.arrived[1].payload["title"].endswith(f": {PERIOD} is late")
    stage.alerts += 1
    stage.servers.start_worker()
    stage.ends(run)


def test_the_server_is_killed(stage: Stage, seen: Any) -> None:
    """In the middle of a run, and is there again some seconds later."""
    run = stage.start()
    until(lambda: stage.there(".locks/train"))
    stage.servers.kill_server()
    stage.servers.start_server()
    stage.ends(run)
    seen("the server or scheduler is killed", "resumed when the server was back")


@pytest.mark.parametrize(("fault", "times", "hangs"), ILL_SOURCES)
def test_the_source_is_ill(stage: Stage, seen: Any, fault: str, times: int, hangs: bool) -> None:
    """As soon as periods are ingested."""
    folder = stage.project.folder / "data/source"
    with HttpSource(folder, lambda: stage.there(".locks/ingest-*"), times, hangs=hangs) as source:
        stage.tune(source=source.address, source_timeout=5)
        stage.ends(stage.start())
        assert source.left == 0
    assert ("did not answer in 5 s" if hangs else "Service Unavailable") in stage.servers.log()
    seen(fault, BY_ITSELF)


@pytest.mark.parametrize(("doing", "task", "request_"), DEATHS)
def test_the_tracker_is_down(
    stage: Stage,
    seen: Any,
    doing: str,
    task: str,
    request_: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It dies of a request, and is there again once the task has failed."""
    dies_at = f"POST /api/2.0/mlflow/{request_}"
    with Tracker(stage.project, tmp_path / "tracker.log", dies_at) as tracker:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", tracker.address)
        stage.variables = {"MLFLOW_TRACKING_URI": tracker.address}
        run = stage.start()
        until(lambda: tracker.process is None)
        trained = [file.read_bytes() for file in stage.there("steps/train.json")]
        tracker.start()
        stage.ends(run)
        if task == "release":
            assert trained == [file.read_bytes() for file in stage.there("steps/train.json")]
        seen(f"the tracker is down while {doing}", BY_ITSELF)


def test_the_storage_of_data_versions_is_closed(stage: Stage, seen: Any) -> None:
    in_the_way = stage.project.folder / "data/remote"
    in_the_way.write_text("a file where the folder should be", encoding="utf-8")
    before = len(stage.servers.log())
    run = stage.start()
    until(lambda: "Retry 1/3" in stage.servers.log()[before:])
    in_the_way.unlink()
    stage.ends(run)
    seen("the snapshot storage is not writable", BY_ITSELF)


def test_the_disk_is_full(stage: Stage, seen: Any) -> None:
    """As the model is fitted; it stays so until no try is left."""
    with SmallDisk(stage.project.folder / "runs") as disk:
        run = stage.start()
        until(lambda: stage.there(".locks/train"))
        disk.fill()
        stage.ends(run, "Failed")
        (alert,) = stage.receiver.arrived
        assert "[Errno 28] No space left on device" in alert.payload["reason"]
        disk.free()
        stage.ends(stage.start())
        went = "failed; the same command resumed it"
        seen("the disk is full", went, f"{PERIOD} failed at train")


def test_two_runs_for_one_period(stage: Stage, seen: Any, tmp_path: Path) -> None:
    """One by the worker, the other by hand; and one more that waits until the first has ended."""
    first, last = stage.start(), stage.start()
    log = tmp_path / "run.log"
    assert stage.by_hand(log, "run", "--period", PERIOD).wait(PATIENCE) == 0
    stage.ends(first)
    assert stage.servers.ended(last) == "Nothing new"
    assert re.search(": done (before|by)", log.read_text(encoding="utf-8"))
    seen("two runs for one period", "all succeeded; the work was done once")


def test_ctrl_c_at_any_time(stage: Stage, seen: Any, tmp_path: Path) -> None:
    """As soon as a file is there; no process is left, and the last run comes to its end."""
    servers = stage.project.processes()
    environment = {"ALERT_URLS": stage.servers.variables["ALERT_URLS"]}

    def made(pattern: str) -> list[Path]:
        return list(stage.project.folder.glob(pattern))

    shutil.rmtree(stage.project.folder / ".prefect", ignore_errors=True)
    state, run = [".prefect", "mlflow.db.*.part"], ["plan.json", "snapshot.json", "model.pkl"]
    for number, pattern in enumerate([*state, *(f"runs/*/{name}" for name in run)]):
        assert not made(pattern)
        log = tmp_path / f"{number}.log"
        process = stage.project.start(log, "run", f"PERIOD={PERIOD}", **environment)
        until(partial(made, pattern), process)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE) != 0, pattern
        until(lambda: stage.project.processes() <= servers)
    assert stage.by_hand(tmp_path / "run.log", "run", "--period", PERIOD).wait(PATIENCE) == 0
    seen("Ctrl-C", "the same command resumed it")


def test_the_schedule_meets_summer_time(project: Project) -> None:
    hours = project.run_code(HOURS).splitlines()
    assert hours == ["02. at 6:00"] * 12
    record(FAULTS, "the schedule across daylight saving time", COLUMN, "starts on time all year")


def test_the_period_is_december(stage: Stage) -> None:
    """The newest period, as the schedule chooses it, once the year has ended."""
    assert stage.project.run_code(TURN).split() == ["2013-11", "2013-12"]
    stage.ends(stage.servers.api.start("scheduled", {}))
    result = stage.project.results()["2013-12"]
    (alert,) = stage.receiver.arrived
    title = alert.payload["title"].partition(": ")[2]
    record(FAULTS, "the period is December", COLUMN, f"{result['status']}; alerts: {title}")
