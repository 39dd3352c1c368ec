"""Runs by KFP's local runner that meet a fault: tried again, resumed, and said in one alert."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from {{{ cookiecutter.package_name }}}.plan import plan_run
from {{{ cookiecutter.package_name }}}.results import (
    history,
    write_failed,
)
from {{{ cookiecutter.package_name }}}.workspace import Run, Workspace

from .conftest import NOW, copy_of, enter
from .inbox import Inbox

# That a laptop has no limits and no images.
pytestmark = pytest.mark.filterwarnings("ignore::Warning:kfp")

# Kills the process of a task before it begins, as a node that runs out of memory does.
KILLER = """
import os, signal, sys
if {task!r} in sys.argv:
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def may(before_may: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run for 2013-05 in a project that is the current one, its evaluation done."""
    with pytest.MonkeyPatch.context() as patch:
        project = enter(copy_of(before_may, tmp_path_factory.mktemp("may")), patch)
        patch.setenv("PYTHONPATH", str(project.folder))
        yield plan_run(project.params, "2013-05", NOW)


def test_a_killed_task_is_tried_again_in_vain_and_said_once(
    adapter: Any, may: Run, inbox: Inbox
) -> None:
    Path("sitecustomize.py").write_text(KILLER.format(task="release"), encoding="utf-8")
    Workspace(may).lock("release").touch()  # killed a little later, it would have left that
    write_failed(may, "kubeflow", ConnectionError("of an earlier try"))
    with pytest.raises(RuntimeError, match="a task was killed, or ran out of memory, time or disk"):
        adapter.training("2013-05")
    failed = history("runs")[may.run_id]
    assert failed is not None
    assert (failed.status, failed.step) == ("failed", "release")
    (alert,) = inbox.alerts
    assert (alert["kind"], alert["step"]) == ("run_failed", "release")
    assert (alert["reason"], alert["rerun"]) == (failed.reason, "make run PERIOD=2013-05")


def test_the_same_command_goes_on_there_and_nothing_is_said_of_what_was_tried_again(
    adapter: Any,
    may: Run,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """One of the two that are to be told is not there, which changes nothing."""
    from kfp.local.orchestrator import task_executor

    Path("sitecustomize.py").unlink()
    with socket.create_server(("127.0.0.1", 0)) as free:
        dead = f"json://127.0.0.1:{free.getsockname()[1]}/"
    monkeypatch.setenv("ALERT_URLS", f"{dead} {inbox.url}")
    records = Workspace(may).records
    before = {file.name: file.read_bytes() for file in records.iterdir()}
    in_the_way = Workspace(may).release
    Path(in_the_way.path).mkdir()  # where the file should be: it cannot be written
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        failed = history("runs")[may.run_id]
        assert failed is not None
        assert failed.status == "failed"
        assert "release.json" in failed.reason
        if len(waited) == 2:
            in_the_way.rmdir()

    monkeypatch.setattr(task_executor.time, "sleep", wait)
    result = adapter.training("2013-05")
    assert waited == [10, 20]
    assert (result.run_id, result.status) == (may.run_id, "released")
    assert {name: (records / name).read_bytes() for name in before} == before
    assert inbox.kinds == ["champion_changed"]
    assert ", the former champion's 0." in inbox.alerts[0]["message"]
    said = capfd.readouterr().out
    assert said.count("release failed: ") == 2
    assert said.count("not sent to JSON (entry 1), in 3 tries") == 1
    assert "executor_input" not in said
    assert "Traceback" in Path(f".kubeflow/{may.run_id}.log").read_text(encoding="utf-8")
