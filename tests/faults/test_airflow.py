"""Faults of production, met by runs of Airflow's scheduler, as `make ui` starts it."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.alerts.receiver import Receiver
from tests.faults.killing import PLACES, Killer
from tests.faults.outages import DEATHS, ILL_SOURCES, HttpSource, SmallDisk, Tracker
from tests.faults.survival import BY_ITSELF, PERIOD, STEPS, Undisturbed, look, survived
from tests.projects import PATIENCE, Project, clone, free_port, until
from tests.tables import FAULTS, record
from tests.ui.airflow import DAG, Ui, hurry

pytestmark = [pytest.mark.slow, pytest.mark.matrix, pytest.mark.xdist_group("faults airflow")]

COLUMN = "Airflow"
Ends = Callable[..., None]

# When the schedule is due, by New York's clocks, over a year.
HOURS = """
import pendulum
from airflow.timetables.interval import CronDataIntervalTimetable
timetable = CronDataIntervalTimetable("0 6 2 * *", timezone="America/New_York")
moment = pendulum.datetime(2026, 1, 1)
for _ in range(12):
    moment = timetable._get_next(moment)
    print(moment.in_timezone("America/New_York").format("DD H:mm"))
"""


class Stage:
    """A project under a scheduler, on which one test after the other plays."""

    def __init__(self, ui: Ui, killer: Killer, tracker: Tracker, receiver: Receiver) -> None:
        self.ui, self.killer, self.tracker, self.receiver = ui, killer, tracker, receiver
        self.project = ui.project
        self.params = (self.project.folder / "params.yaml").read_text()

    def clear(self) -> None:
        """Let nothing have run."""
        self.tracker.kill()
        folder = self.project.folder
        for name in ("runs", "mlruns", "data/remote"):
            shutil.rmtree(folder / name, ignore_errors=True)
        for file in folder.glob("mlflow.db*"):
            file.unlink()
        (folder / "params.yaml").write_text(self.params)
        self.tracker.start()
        self.receiver.arrived.clear()

    def tune(self, **values: Any) -> None:
        """Change parameters."""
        text = yaml.safe_dump(yaml.safe_load(self.params) | values)
        (self.project.folder / "params.yaml").write_text(text)

    def there(self, pattern: str) -> list[Path]:
        """Return what is there of a run's folder."""
        return list(self.project.folder.glob(f"runs/{PERIOD}-*/{pattern}"))

    def start(self) -> str:
        """Start a run; return Airflow's id of it."""
        return str(self.ui.trigger(period=PERIOD)["dag_run_id"])

    def state(self) -> str:
        """Return how the run ended that was started last."""
        return str(self.ui.runs("manual")[-1]["state"])

    def tries(self, run_id: str, task_id: str) -> int:
        """Return the most tries that an instance of a task took."""
        tasks = self.ui.api(f"{DAG}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return max(int(task["try_number"]) for task in tasks if task["task_id"] == task_id)


@pytest.fixture(scope="module")
def stage(
    airflow: Project, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("faults")
    project = clone(airflow, folder / "my-pipeline")
    hurry(project)
    killer = Killer(project.folder / "killer")
    with Tracker(project, folder / "tracker.log", dies_at="") as tracker:
        ui = Ui(project, free_port(), free_port(), folder / "ui.log")
        ui.variables = {
            **receiver.environment(),
            **killer.variables,
            "ALERT_URLS": receiver.urls()["webhook"],
            "MLFLOW_TRACKING_URI": tracker.address,
        }
        # The schedule fires at once: its run is for our period if that is the newest.
        for late in project.folder.glob("data/source/*/month=*"):
            if late.name > f"month={PERIOD}":
                late.rename(folder / f"{late.parent.name}-{late.name}")
        try:
            ui.begin()
            yield Stage(ui, killer, tracker, receiver)
        finally:
            interrupt(ui)


def interrupt(ui: Ui) -> None:
    """Press Ctrl-C; the tracker runs in the project's folder, too, and stays."""
    if ui.process.poll() is None:
        os.killpg(ui.process.pid, signal.SIGINT)
        ui.process.wait(PATIENCE)


@pytest.fixture(scope="module")
def undisturbed(stage: Stage) -> Undisturbed:
    """Give how a run ends that nothing disturbs: that of the schedule."""
    (run,) = stage.ui.runs("scheduled")
    assert run["state"] == "success"
    return look(stage.project)


@pytest.fixture
def faulty(stage: Stage, undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Give the stage, on which nothing has run."""
    stage.clear()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", stage.tracker.address)
    return stage


@pytest.fixture
def ends(faulty: Stage, undisturbed: Undisturbed) -> Ends:
    """Give what sees that the run came to its end and nothing was lost."""

    def see(fault: str, went: str, *before: str) -> None:
        assert faulty.state() == "success"
        faulty.receiver.wait_for(len(before) + 1)
        survived(fault, COLUMN, faulty.project, undisturbed, faulty.receiver, went, before)

    return see


@pytest.mark.parametrize("step", STEPS)
def test_the_process_of_a_step_is_killed(faulty: Stage, ends: Ends, step: str) -> None:
    """Between writing and renaming the file that it is there to make."""
    faulty.killer.at(PLACES[step])
    run_id = faulty.start()
    until(lambda: faulty.killer.done, faulty.ui.process)
    ends(f"{step}: its process is killed", BY_ITSELF)
    assert faulty.tries(run_id, step) == 2


def test_the_worker_is_killed(faulty: Stage, ends: Ends) -> None:
    """The process that supervises the task; the scheduler misses the task's heartbeat."""
    faulty.start()
    task = faulty.ui.task(PERIOD)
    stat = Path(f"/proc/{task}/stat").read_text().rpartition(")")[2].split()
    os.kill(int(stat[1]), signal.SIGKILL)
    ends("the worker is killed", BY_ITSELF)


def test_the_scheduler_is_killed(faulty: Stage, ends: Ends) -> None:
    faulty.start()
    faulty.ui.task(PERIOD)
    os.kill(faulty.ui.server("scheduler"), signal.SIGKILL)
    assert faulty.ui.process.wait(PATIENCE) != 0
    faulty.ui.begin()
    ends("the server or scheduler is killed", "resumed after `make ui` was restarted")


@pytest.mark.parametrize(("fault", "times", "hangs"), ILL_SOURCES)
def test_the_source_is_ill(faulty: Stage, ends: Ends, fault: str, times: int, hangs: bool) -> None:
    """As soon as months are ingested."""
    folder = faulty.project.folder / "data/source"
    with HttpSource(folder, lambda: faulty.there(".locks/ingest-*"), times, hangs=hangs) as source:
        faulty.tune(source=source.address, source_timeout=5)
        run_id = faulty.start()
        assert faulty.state() == "success"
        assert source.left == 0
    assert faulty.tries(run_id, "ingest") == 2
    ends(fault, BY_ITSELF)


@pytest.mark.parametrize(("doing", "step", "request_"), DEATHS)
def test_the_tracker_is_down(
    faulty: Stage, ends: Ends, doing: str, step: str, request_: str
) -> None:
    """It dies of a request, and is there again once the task has failed."""
    faulty.tracker.dies_at = f"POST /api/2.0/mlflow/{request_}".encode()
    run_id = faulty.start()
    until(lambda: faulty.tracker.process is None, faulty.ui.process)
    until(lambda: faulty.tries(run_id, step) == 2, faulty.ui.process)
    trained = [file.read_bytes() for file in faulty.there("steps/train.json")]
    faulty.tracker.start()
    ends(f"the tracker is down while {doing}", BY_ITSELF)
    if step == "release":
        assert trained == [file.read_bytes() for file in faulty.there("steps/train.json")]


def test_the_storage_of_data_versions_is_closed(faulty: Stage, ends: Ends) -> None:
    in_the_way = faulty.project.folder / "data/remote"
    in_the_way.write_text("a file where the folder should be", encoding="utf-8")
    run_id = faulty.start()
    until(lambda: faulty.tries(run_id, "snapshot") == 2, faulty.ui.process)
    in_the_way.unlink()
    ends("the snapshot storage is not writable", BY_ITSELF)


def test_the_disk_is_full(faulty: Stage, ends: Ends) -> None:
    """As the model is fitted; it stays so until Airflow gives up. Then the run is cleared."""
    with SmallDisk(faulty.project.folder / "runs") as disk:
        run_id = faulty.start()
        faulty.ui.task(PERIOD)
        disk.fill()
        assert faulty.state() == "failed"
        faulty.receiver.wait_for(1)
        disk.free()
        failed = {"dag_run_id": run_id, "only_failed": True, "dry_run": False}
        faulty.ui.api(f"{DAG}/clearTaskInstances", failed)
        cleared = "resumed after its failed tasks were cleared"
        ends("the disk is full", cleared, f"{PERIOD} failed at train")


def test_two_runs_for_one_period(faulty: Stage, ends: Ends) -> None:
    """Airflow runs them one after the other; the second finds nothing to do."""
    faulty.start()
    faulty.start()
    first, second = faulty.ui.runs("manual")[-2:]
    assert first["end_date"] <= second["start_date"]
    ends("two runs for one period", "both succeeded; the work was done once")


def test_ctrl_c(faulty: Stage, ends: Ends) -> None:
    faulty.start()
    faulty.ui.task(PERIOD)
    interrupt(faulty.ui)
    faulty.ui.begin()
    ends("Ctrl-C", "resumed after `make ui` was restarted")


def test_the_schedule_meets_summer_time(airflow: Project) -> None:
    hours = airflow.run_code(HOURS).splitlines()
    assert hours[-12:] == ["02 6:00"] * 12
    record(FAULTS, "the schedule across daylight saving time", COLUMN, "starts on time")


def test_the_period_is_december(faulty: Stage) -> None:
    """The newest month, as the schedule takes it."""
    folder = faulty.project.folder
    for late in folder.parent.glob("*-month=*"):
        table, month = late.name.split("-", 1)
        late.rename(folder / "data/source" / table / month)
    faulty.ui.trigger()
    assert faulty.state() == "success"
    result = faulty.project.results()["2013-12"]
    (plan,) = folder.glob("runs/2013-12-*/plan.json")
    assert json.loads(plan.read_bytes())["window"] == ["2013-09", "2013-10", "2013-11"]
    (alert,) = faulty.receiver.wait_for(1)
    title = alert.payload["title"].partition(": ")[2]
    record(FAULTS, "the period is December", COLUMN, f"{result['status']}; alerts: {title}")
