"""Runs by KFP's local runner: their outcomes, and faults that they meet."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kfp import local
from kfp.local.orchestrator import task_executor
from my_pipeline.runtime import room
from my_pipeline.runtime.results import Result
from my_pipeline.runtime.run import Run, RunDir
from my_pipeline.runtime.run.outcome import history, load_result, write_failed
from ops.local import runner
from pipelines.training import training

from .conftest import MAIN, ROOT, Project, copy_of, drop_a_third, enter, remove_after
from .inbox import Inbox

pytestmark = pytest.mark.filterwarnings("ignore::Warning:kfp")  # a laptop has no limits, no images

# Kills the process of a task before it starts, as a node without memory does.
KILLER = """
import os, signal, sys
if {task!r} in sys.argv:
    os.kill(os.getpid(), signal.SIGKILL)
"""


def run_by_kfp(period: str) -> None:
    """Run the pipeline as a cluster does: without a plan made before."""
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=".kubeflow")
    training(period=period)


def last_run(project: Project) -> Path:
    """Return the folder of KFP's artifacts of the last run."""
    folders: list[Path] = [*project.folder.glob(".kubeflow/*/")]
    return max(folders, key=lambda folder: folder.stat().st_mtime)


def test_a_scheduled_run_with_nothing_to_do_ends_after_its_plan(
    adapter: Any, released: Project, inbox: Inbox, capfd: pytest.CaptureFixture[str]
) -> None:
    remove_after(released.folder, "2013-04")
    result = adapter.training()
    assert result.status == "nothing_new"
    run_by_kfp("")
    output = json.loads((last_run(released) / "plan/executor_output.json").read_bytes())
    values = output["parameterValues"]
    assert (values["Output"], values["reason"]) == ("nothing_new", result.reason)
    assert f"notice: run nothing_new: {result.reason}" in capfd.readouterr().out
    assert {path.name for path in last_run(released).iterdir()} == {"plan", "notice"}
    assert len(history("runs")) == 1
    assert inbox.alerts == []


def test_bad_data_are_quarantined_and_the_champion_stays(
    adapter: Any, released: Project, inbox: Inbox
) -> None:
    released.deliver(MAIN, "2013-05", drop_a_third)
    result = adapter.training("2013-05")
    assert result.status == "quarantined"
    assert "% are missing, 5.0% allowed" in result.reason
    assert result.champion_after == result.champion_before is not None
    started = {folder.name for folder in last_run(released).iterdir()}
    assert {"quarantine", "report", "notice"} <= started
    assert not {"snapshot", "train", "evaluate", "release"} & started
    assert inbox.kinds == ["quarantined"]


def test_a_refused_period_fails_at_once_and_sends_one_alert(
    adapter: Any,
    inbox: Inbox,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(task_executor.time, "sleep", waited.append)
    with pytest.raises(RuntimeError, match="refuse"):
        run_by_kfp("2014-01")
    assert not waited
    (file,) = project.folder.glob("runs/refused-*/result.json")
    result = Result.model_validate_json(file.read_bytes())
    assert result.reason.startswith("The source has no 2014-01")
    assert f"notice: run {result.run_id} failed: {result.reason}" in capfd.readouterr().out
    assert not history("runs")
    (alert,) = inbox.alerts
    assert (alert["kind"], alert["step"]) == ("run_failed", "plan")
    assert (alert["reason"], alert["rerun"]) == (result.reason, "make run PERIOD=2014-01")


def test_containers_have_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNNER", "docker")
    monkeypatch.setenv("SOURCE", "tests/data/source")
    assert runner().container_run_args["environment"]["SOURCE"] == "tests/data/source"


@pytest.fixture(scope="module")
def may(
    adapter: Any, evaluated_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Run]:
    """A run for 2013-05 whose evaluation is done, for the tests below, which follow each other."""
    with pytest.MonkeyPatch.context() as patch:
        project = enter(copy_of(evaluated_folder, tmp_path_factory.mktemp("may")), patch)
        patch.setenv("PYTHONPATH", f"{project.folder}:{ROOT}", prepend=os.pathsep)
        yield project.plan("2013-05")


def test_a_killed_task_is_retried_in_vain_and_sends_one_alert(
    adapter: Any, may: Run, inbox: Inbox
) -> None:
    Path("sitecustomize.py").write_text(KILLER.format(task="release"), encoding="utf-8")
    RunDir(may).lock("release").touch()  # killed a little later, it would have left that
    write_failed(may, "kubeflow", ConnectionError("of an earlier try"))
    with pytest.raises(RuntimeError, match="a task was killed, or ran out of memory, time or disk"):
        adapter.training("2013-05")
    failed = load_result(may)
    assert failed is not None
    assert (failed.status, failed.step) == ("failed", "release")
    (alert,) = inbox.alerts
    assert (alert["kind"], alert["step"]) == ("run_failed", "release")
    assert (alert["reason"], alert["rerun"]) == (failed.reason, "make run PERIOD=2013-05")


def test_the_same_command_resumes_the_run_and_retries_send_no_alert(
    adapter: Any,
    may: Run,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """One of the two targets does not answer, which changes nothing."""
    Path("sitecustomize.py").unlink()
    with socket.create_server(("127.0.0.1", 0)) as free:
        dead = f"json://127.0.0.1:{free.getsockname()[1]}/"
    monkeypatch.setenv("ALERT_URLS", f"{dead} {inbox.url}")
    done = RunDir(may).checkpoints
    before = {file.name: file.read_bytes() for file in done.iterdir()}
    in_the_way = RunDir(may).release
    Path(in_the_way.path).mkdir()  # where the file should be: it cannot be written
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        failed = load_result(may)
        assert failed is not None
        assert failed.status == "failed"
        assert "release.json" in failed.reason
        if len(waited) == 2:
            in_the_way.rmdir()

    monkeypatch.setattr(task_executor.time, "sleep", wait)
    result = adapter.training("2013-05")
    assert waited == [10, 20]
    assert (result.run_id, result.status) == (may.run_id, "released")
    assert {name: (done / name).read_bytes() for name in before} == before
    assert inbox.kinds == ["champion_changed"]
    assert f"{room.evaluation().HEADLINE} " in inbox.alerts[0]["message"]
    printed = capfd.readouterr().out
    assert printed.count("release failed: ") == 2
    assert printed.count("not sent to JSON (entry 1), in 3 tries") == 1
    assert "executor_input" not in printed
    assert "Traceback" in Path(f".kubeflow/{may.run_id}.log").read_text(encoding="utf-8")


def test_champion_s_metrics_are_shown_beside_the_challenger_s(may: Run) -> None:
    """Of the run above, in which the champion of 2013-04 was compared."""
    file, *_ = Path(".kubeflow").glob("*/evaluate/executor_output.json")
    (metrics,) = json.loads(file.read_bytes())["artifacts"]["metrics"]["artifacts"]
    names = set(metrics["metadata"])
    assert {f"champion_{name}" for name in names if not name.startswith("champion_")} < names
