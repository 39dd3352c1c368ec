"""W&B: where runs go, what it refuses, and that nothing which it loses goes unnoticed."""

import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput, Unavailable
from {{{ cookiecutter.package_name }}}.runtime.files import read_json
from {{{ cookiecutter.package_name }}}.runtime.registry import tracker, wandb_client
from {{{ cookiecutter.package_name }}}.runtime.registry.wandb_client import (
    is_whole,
    load_wandb,
    opened,
    parts,
    records,
    upload,
)
from {{{ cookiecutter.package_name }}}.runtime.results import Training
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import RunDir
from {{{ cookiecutter.package_name }}}.runtime.steps.train import train

from .conftest import P, Project, champion_of
from .servers import Server
from .tracked import KEY, break_down, logged, runs, written

KILLED = """
import os, signal
from {{{ cookiecutter.package_name }}}.runtime.registry.wandb_client import opened

with opened("killed", "model", {}) as run:
    run.summary["before"] = 1
    os.kill(os.getpid(), signal.SIGKILL)
"""


def log_once(**values: Any) -> Path:
    """Log values to a run, in a part of its own, and return its file."""
    with opened("some-run", "model", {}) as run:
        run.summary.update(values)
    return parts("some-run")[-1]


# online or offline


def test_without_a_key_it_is_offline_and_says_so_once(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    run = project.work(P[4])
    (said,) = (line for line in caplog.messages if "offline" in line)
    assert said.endswith("/.wandb, and `make sync` uploads them")
    training = read_json(RunDir(run).training, Training)
    assert (training.tracker_id, training.tracker_url) == (run.run_id, None)
    assert tracker.page_of(run.run_id) is None


@pytest.mark.parametrize("where", ["WANDB_API_KEY", "NETRC"])
def test_with_a_key_it_is_online(
    where: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not wandb_client.is_online()
    Path("netrc").write_text(f"machine api.wandb.ai login user password {KEY}")
    monkeypatch.setenv(where, KEY if where == "WANDB_API_KEY" else str(Path("netrc").absolute()))
    assert wandb_client.is_online()
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert not wandb_client.is_online()


def test_a_run_that_began_offline_stays_so(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_once(first=1)
    break_down(monkeypatch)
    assert wandb_client.is_online()
    log_once(second=2)
    assert len(parts("some-run")) == 2


def test_a_training_that_began_offline_is_tried_again_with_a_key(
    ours: Server, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before it wrote training.json: no server is asked, what its part says holds."""
    run = project.work(P[4], last="features")
    with opened(run.run_id, project.params.model_name, {}):
        pass
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", ours.address)
    train(run)
    assert ours.asked == []
    assert len(parts(run.run_id)) == 2


def test_the_page_of_a_run_online(monkeypatch: pytest.MonkeyPatch) -> None:
    run = SimpleNamespace(offline=False, url="https://wandb.ai/ada/project/runs/some-run")
    monkeypatch.setattr(load_wandb(), "run", run)
    assert tracker.page_of("some-run") == run.url


# what is refused


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"WANDB_MODE": "disabled"}, "WANDB_MODE is 'disabled': set online or offline, or leave"),
        (
            {"WANDB_MODE": "online"},
            "WANDB_MODE is online, and there is no API key for https://api.wandb.ai: set",
        ),
        (
            {"WANDB_DIR": "params.yaml"},
            "params.yaml/.wandb, where runs are logged, cannot be written (Not a directory): set",
        ),
        ({"WANDB_DIR": "/proc"}, "/proc/.wandb, where runs are logged, cannot be written ("),
    ],
)
def test_input_that_is_refused(
    variables: dict[str, str], sentence: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for attempt in (tracker.check, log_once):
        with pytest.raises(BadInput) as raised:
            attempt()
        assert str(raised.value).startswith(sentence)


@pytest.mark.parametrize(
    ("key", "status", "why"),
    [
        ("too-short", 200, "WANDB_API_KEY invalid: API key must have 40"),
        (KEY, 401, "Failed to ver"),
    ],
)
def test_a_key_that_is_refused(
    key: str, status: int, why: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", key)
    with Server(status) as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.address)
        with pytest.raises(BadInput, match=rf"W&B refuses what it was given \({why}.*: correct WA"):
            tracker.check()
        server.shutdown()


def test_a_server_of_something_else(
    ours: Server, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", ours.address)
    with pytest.raises(Unavailable, match=f"Another server answers at {ours.address}: correct WA"):
        tracker.check()


def test_nothing_answers(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    named = break_down(monkeypatch)
    monkeypatch.setattr(wandb_client, "PATIENCE", 1.0)
    with pytest.raises(Unavailable, match=f"W&B at http://{named}:9 does not answer"):
        tracker.check()
    with pytest.raises(Unavailable, match=f"W&B at http://{named}:9 does not answer") as raised:
        log_once()
    assert "hunter2" not in str(raised.value)


def test_nothing_answers_as_a_run_ends(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def init(**_: Any) -> Iterator[Any]:
        yield SimpleNamespace(settings=SimpleNamespace(sync_file=""), summary={})
        raise TimeoutError("Timed out finishing run.")  # as wandb does

    monkeypatch.setattr(load_wandb(), "init", init)
    said = r"api.wandb.ai does not answer \(Timed out finishing run\): try again, or set WANDB_MODE"
    with pytest.raises(Unavailable, match=said):
        log_once()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("PUT http://storage giving up after 5 attempts"), "does not answer"),
        (ValueError("storage: 403 Forbidden"), "refuses what it was given"),
    ],
)
def test_an_artifact_that_is_not_taken(
    error: Exception, said: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(timeout: int) -> None:
        assert timeout == wandb_client.UPLOAD_PATIENCE
        raise error

    artifact = SimpleNamespace(wait=wait)
    run = SimpleNamespace(
        id="some-run", offline=False, summary={}, log_artifact=lambda *_, **__: artifact
    )
    monkeypatch.setattr(load_wandb(), "run", run)
    with pytest.raises(Unavailable, match=said):
        tracker.log_report("released", "<html>")


def test_an_entity_that_is_unknown(
    ours: Server, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = SimpleNamespace(username="ada", teams=["ml"])
    monkeypatch.setattr(load_wandb(), "Api", lambda **_: SimpleNamespace(viewer=viewer))
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", ours.address)
    assert tracker.check() == f"{ours.address} accepts the API key of ada"
    monkeypatch.setenv("WANDB_ENTITY", "strangers")
    with pytest.raises(BadInput, match="WANDB_ENTITY is 'strangers', and the API key is of ada: "):
        tracker.check()


# what is lost


def test_each_part_has_the_summary_of_the_one_before(project: Project) -> None:
    """W&B replaces the summary of a run by that of the part which is uploaded last."""
    log_once(score=0.7, status="begun")
    file = log_once(status="ended")
    assert wandb_client.summary(file) == {"score": 0.7, "status": "ended"}


def test_a_step_that_was_killed_leaves_nothing(project: Project) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED], check=False)
    assert done.returncode == -signal.SIGKILL
    (torn,) = parts("killed")
    assert not is_whole(torn)
    with opened("killed", "model", {}) as run:
        run.summary["after"] = 2
    (file,) = parts("killed")
    assert wandb_client.summary(file) == {"after": 2}


@pytest.mark.parametrize("length", [0, 3, 40, -1])
def test_a_truncated_file_is_replaced(length: int, released: Project) -> None:
    run = released.plan(P[4])
    first, *_ = parts(run.run_id)
    first.write_bytes(first.read_bytes()[:length])
    assert not is_whole(first)
    train(run)
    assert not first.exists()
    assert runs(released.params.model_name) == [run.run_id]
    assert logged(run.run_id).tags["status"] == "released"


def test_a_damaged_file_is_noticed(project: Project) -> None:
    file = log_once(score=0.7)
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"\.wandb is damaged"):
        list(records(file))


def test_what_is_not_written_is_an_error(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """wandb-core notes a full disk in its own log only."""
    run = project.work(P[4], last="features")
    with monkeypatch.context() as patch:
        patch.setattr(wandb_client, "is_whole", lambda _: False)
        with pytest.raises(RuntimeError, match=r"W&B did not write all to .*: see the "):
            train(run)
    assert not RunDir(run).training.exists()


def test_the_model_is_an_artifact_and_in_mlflow_s_registry(released: Project) -> None:
    run, name = released.plan(P[4]), released.params.model_name
    (artifact,) = (each.artifact for each in written(run.run_id) if each.artifact.name == name)
    assert artifact.type == "model"
    assert {*artifact.aliases} == {"latest", run.run_id}
    files = {content.path: Path(content.local_path) for content in artifact.manifest.contents}
    assert {*files} == {"model.pkl", "example.json"}
    assert all(".wandb/artifacts/staging" in str(file) for file in files.values())
    assert champion_of(released).run_id == run.run_id


# upload


def test_an_upload_needs_a_key(project: Project) -> None:
    with pytest.raises(BadInput, match="Nothing can be uploaded: there is no API key for https://"):
        upload()
