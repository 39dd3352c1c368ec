"""`make ui` under Airflow: runs by the real scheduler, started in every way, and a clean end."""

import contextlib
import json
import os
import shutil
import signal
import urllib.request
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.alerts.arrival import check_arrived, check_sent_once, variables
from tests.alerts.receiver import Receiver
from tests.projects import PATIENCE, Project, clone, free_port, until
from tests.shell import change
from tests.ui.airflow import DAG, Ui, hurry

pytestmark = [pytest.mark.slow, pytest.mark.matrix, pytest.mark.xdist_group("ui airflow")]


@pytest.fixture(scope="module")
def ui(
    airflow: Project, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ui]:
    project = clone(airflow, tmp_path_factory.mktemp("ui") / "my-pipeline")
    # So that the schedule, which fires at once, finds a month that comes before all others here.
    for late in project.folder.glob("data/source/*/month=*"):
        if late.name > "month=2013-04":
            late.rename(project.folder / f"late-{late.parent.name}-{late.name}")
    hurry(project)
    log = project.folder.parent / "ui.log"
    ui = Ui(project, free_port(), free_port(), log, variables(receiver))
    try:
        ui.begin()
        yield ui
    finally:
        if ui.process.poll() is None:
            os.killpg(ui.process.pid, signal.SIGTERM)
            ui.process.wait(PATIENCE)
            until(lambda: not project.processes())


def test_the_pages_answer(ui: Ui) -> None:
    for port, title in ((ui.airflow, b"Airflow"), (ui.mlflow, b"MLflow")):
        address = f"http://127.0.0.1:{port}"
        assert address in ui.log.read_text()
        with urllib.request.urlopen(address) as page:
            assert title in page.read()


def listening(processes: set[int]) -> set[str]:
    """Return where processes listen, as the kernel writes it: `0100007F:1F90` is 127.0.0.1:8080."""
    tables = "".join(Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6"))
    rows = [line.split() for line in tables.splitlines()]
    places = {row[9]: row[1] for row in rows if row[3] == "0A"}
    sockets = set()
    for process in processes:
        with contextlib.suppress(OSError):  # ended meanwhile
            for file in Path(f"/proc/{process}/fd").iterdir():
                with contextlib.suppress(OSError):  # closed meanwhile
                    sockets.add(str(file.readlink()).removeprefix("socket:[").removesuffix("]"))
    return {place for socket, place in places.items() if socket in sockets}


def test_only_this_machine_is_answered(ui: Ui) -> None:
    found = listening(ui.project.processes())
    assert found == {f"0100007F:{port:04X}" for port in (ui.airflow, ui.mlflow)}


def test_the_schedule_fires(ui: Ui, receiver: Receiver) -> None:
    """The newest month is trained for by a run that nobody started."""
    (run,) = until(lambda: ui.runs("scheduled"), ui.process)
    assert run["state"] == "success"
    assert ui.tasks(run)["report"] == {"success"}
    assert ui.project.results()["2013-04"]["status"] == "released"
    title = "2013-04: the champion is version 1"
    said = check_arrived(receiver, "Airflow", "champion_changed", title, "auc 0.")
    assert said["run_url"] == f"http://127.0.0.1:{ui.airflow}{DAG}/runs/{run['dag_run_id']}"
    for late in ui.project.folder.glob("late-*"):
        _, table, month = late.name.split("-", 2)
        late.rename(ui.project.folder / "data/source" / table / month)


def test_a_backfill_retrains_period_by_period(ui: Ui) -> None:
    """By `make backfill`, a run after the other; Airflow's own backfill finds them done."""
    said = ui.project.make("backfill", "FROM=2013-05", "TO=2013-07")
    assert "its scheduler runs the DAG" in said
    runs = ui.runs("manual")
    assert [run["state"] for run in runs] == ["success"] * 3
    assert all(before["end_date"] < run["start_date"] for before, run in pairwise(runs))
    results = ui.project.results()
    periods = ["2013-04", "2013-05", "2013-06", "2013-07"]
    assert sorted(results) == periods
    for before, period in pairwise(periods):
        assert f"{period} {results[period]['status']}: {results[period]['reason']}" in said
        assert results[period]["champion_before"] == results[before]["champion_after"]
    dates = ("--from-date", "2013-06-01", "--to-date", "2013-07-28")
    ui.airflow_command("backfill", "create", "--dag-id", "my-pipeline", *dates)
    done = ui.runs("backfill")
    assert len(done) == 2
    assert all(set.union(*ui.tasks(run).values()) == {"skipped"} for run in done)


def test_a_run_by_hand(ui: Ui) -> None:
    """Parameters are those of the form: a period, and how many to train on."""
    run_id = ui.trigger(period="2013-08", window=2)["dag_run_id"]
    run = ui.runs("manual")[-1]
    assert (run["dag_run_id"], run["state"]) == (run_id, "success")
    plan = json.loads(next(ui.project.folder.glob("runs/2013-08-*/plan.json")).read_bytes())
    assert plan["window"] == ["2013-06", "2013-07"]


def test_bad_data_are_quarantined(ui: Ui, receiver: Receiver) -> None:
    """Of September: the branch that is not taken is skipped, and the report written."""
    ui.project.damage("2013-09")
    champion = ui.project.champion()
    said = ui.project.make("run", "PERIOD=2013-09", ok=False)
    assert "2013-09 quarantined: " in said
    assert "Error 3" in said
    assert ui.project.champion() == champion
    tasks = ui.tasks(ui.runs("manual")[-1])
    assert {task for task, states in tasks.items() if states == {"skipped"}} == {
        *("snapshot", "features", "train", "evaluate", "release")
    }
    assert tasks["quarantine"] == tasks["report"] == {"success"}
    title, finding = "2013-09 is in quarantine", "2013-09: flights.dest: the column is missing"
    check_arrived(receiver, "Airflow", "quarantined", title, finding)


def test_a_delivery_starts_a_run_for_its_period(ui: Ui) -> None:
    (asset,) = ui.api("/assets")["assets"]
    ui.api("/assets/events", {"asset_id": asset["id"], "extra": {"period": "2013-10"}})
    until(lambda: ui.runs("asset_triggered"), ui.process)
    (run,) = ui.runs("asset_triggered")
    assert run["state"] == "success"
    assert ui.project.results()["2013-10"]["status"] in ("released", "kept_champion")


def test_a_run_that_is_refused_fails_at_once(ui: Ui, receiver: Receiver) -> None:
    """There is no retry. The reason is in the log's last line, the result and the alert."""
    sentence = "No such parameter: perod; use period and window."
    ui.trigger(perod="2013-05")
    run = ui.runs("manual")[-1]
    assert run["state"] == "failed"
    assert ui.tasks(run)["plan"] == {"failed"}
    assert ui.tasks(run)["report"] == {"upstream_failed"}
    logs = f"{DAG}/dagRuns/{run['dag_run_id']}/taskInstances/plan/logs"
    said = [event["event"] for event in ui.api(f"{logs}/1")["content"]]
    assert [line for line in said if not line.startswith("::")][-1].startswith(sentence)
    assert not list(
        ui.project.folder.glob(f".airflow/logs/*/run_id={run['dag_run_id']}/*/attempt=2*")
    )
    result = json.loads(max(ui.project.folder.glob("runs/refused-*/result.json")).read_bytes())
    assert result["status"] == "failed"
    assert result["reason"].startswith(sentence)
    check_arrived(receiver, "Airflow", "run_failed", "a run failed at plan", sentence[:40])


def test_a_second_one_is_refused(ui: Ui, airflow: Project) -> None:
    """In the same project, and in another one on the same port."""
    said = ui.project.make("ui", ok=False)
    assert "`make ui` is up already, in this project." in said
    assert "Error 2" in said
    said = airflow.make("ui", f"AIRFLOW_PORT={ui.airflow}", ok=False)
    assert f"Port {ui.airflow} is taken: free it, or set AIRFLOW_PORT" in said
    assert "Error 2" in said


def forget(project: Project, period: str) -> None:
    """Remove a period's runs but not their record of sent alerts, so that the work is repeated."""
    for made in project.folder.glob(f"runs/{period}-*/*"):
        if made.is_file():
            made.unlink()
        elif made.name != "alerts":
            shutil.rmtree(made)


def test_a_challenger_that_gains_too_little_is_rejected(ui: Ui, receiver: Receiver) -> None:
    params = ui.project.folder / "params.yaml"
    change(params, "min_gain: 0.0", "min_gain: 0.9")
    ui.project.make("run", "PERIOD=2013-12")
    change(params, "min_gain: 0.9", "min_gain: 0.0")
    title = "2013-12: the challenger was rejected"
    check_arrived(receiver, "Airflow", "challenger_rejected", title, ", the champion's 0.")


def test_a_run_that_takes_too_long_is_alerted(ui: Ui, receiver: Receiver) -> None:
    """By Airflow's own deadline, of five seconds in place of two hours."""
    dag = ui.project.folder / "dags/training.py"
    usual, short = (f"RunCreated(), timedelta({limit})" for limit in ("hours=2", "seconds=5"))
    change(dag, usual, short)
    ui.airflow_command("dags", "reserialize")
    forget(ui.project, "2013-07")
    ui.trigger(period="2013-07", window=2)
    check_arrived(
        receiver, "Airflow", "deadline_missed", "2013-07 has not ended in time", "was to end by"
    )
    change(dag, short, usual)
    ui.airflow_command("dags", "reserialize")


def test_a_task_killed_for_good_leaves_a_result(ui: Ui, receiver: Receiver) -> None:
    forget(ui.project, "2013-12")
    ui.trigger(period="2013-12", window=4)
    (asked,) = until(lambda: list(ui.project.folder.glob("runs/2013-12-*/plan.json")), ui.process)
    for _ in range(4):
        ui.kill_task("2013-12")
    assert ui.runs("manual")[-1]["state"] == "failed"
    until(asked.with_name("result.json").exists)
    result = json.loads(asked.with_name("result.json").read_bytes())
    assert (result["status"], result["step"]) == ("failed", "train")
    check_arrived(
        *(receiver, "Airflow", "run_failed", "2013-12 failed at train", "task train was killed"),
        *(asked.parent.name, "airflow dags trigger my-pipeline --conf"),
    )


def test_ctrl_c_ends_all(ui: Ui) -> None:
    """A task in its middle, too; `make ui` started again goes on with it."""
    forget(ui.project, "2013-12")
    run = ui.trigger(period="2013-12")
    ui.task("2013-12")
    ui.end()
    assert "Traceback" not in ui.log.read_text()
    ui.begin()
    (again,) = [found for found in ui.runs("manual") if found["dag_run_id"] == run["dag_run_id"]]
    assert again["state"] == "success"


def test_a_run_goes_on_when_its_scheduler_comes_back(ui: Ui) -> None:
    forget(ui.project, "2013-12")
    ui.trigger(period="2013-12")
    ui.task("2013-12")
    os.kill(ui.server("scheduler"), signal.SIGKILL)
    assert ui.process.wait(PATIENCE) != 0
    until(lambda: not ui.project.processes())
    ui.begin()
    assert ui.runs("manual")[-1]["state"] == "success"
    assert ui.project.results()["2013-12"]["status"] in ("released", "kept_champion")
    assert ui.versions("2013-12") <= 1
    ui.end()


def test_no_alert_was_sent_twice(receiver: Receiver) -> None:
    check_sent_once(receiver)
