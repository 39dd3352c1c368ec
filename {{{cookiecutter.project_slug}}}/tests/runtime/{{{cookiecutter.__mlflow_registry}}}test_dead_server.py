"""A server of MLflow that cannot be used: every command says so in one sentence, and soon."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from {{{ cookiecutter.package_name }}}.runtime import cli
from {{{ cookiecutter.package_name }}}.runtime.errors import Unavailable, is_unavailable
from {{{ cookiecutter.package_name }}}.runtime.registry import mlflow_client, registry

from .conftest import P, Project
from .servers import answering

PAGE = "<html>Welcome</html>"
ANSWERS = {
    "it fails (its log says why)": "500 Internal Server Error",
    "it refuses us (set MLFLOW_TRACKING_USERNAME": "403 Forbidden",
    "another server answers there": "200 OK",
    "no answer came in time": None,  # it takes the request, and is silent
}

COMMANDS = {
    "status": (),
    "rollback": (),
    "predict": ("--period", P[6]),
    "run": ("--period", P[5]),
    "backfill": ("--first", P[5], "--last", P[6]),
{% if cookiecutter.versioning == "dvc" %}
    "prune": (),
    "restore": (P[4],),
{% endif %}
}


def use(address: str, patch: pytest.MonkeyPatch) -> None:
    """Make a server the project's tracker; what was set before comes back after the test."""
    patch.setenv("MLFLOW_TRACKING_URI", address)
    mlflow_client.load_mlflow().set_tracking_uri(None)


@pytest.mark.parametrize("reason", ANSWERS)
def test_a_server_that_answers_wrongly(
    reason: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_client, "PATIENCE", 0.5)
    with answering(ANSWERS[reason], PAGE) as address:
        use(address, monkeypatch)
        with pytest.raises(Unavailable) as raised:
            mlflow_client.answers()
    assert f"MLflow at {address} cannot be used, as {reason}" in str(raised.value)
    assert str(raised.value).endswith("start it, or correct MLFLOW_TRACKING_URI.")
    assert "MLFLOW_HTTP_REQUEST_TIMEOUT" not in os.environ


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://127.0.0.1:9", "nothing listens there"),
        ("http://mlflow.example.invalid", "nothing is known by that name"),
        ("https://ada:hunter2@127.0.0.1:9", "nothing listens there"),
        ("htp://127.0.0.1:9", "start it, or correct MLFLOW_TRACKING_URI"),
        ("postgresql://127.0.0.1:9/mlflow", "start it, or correct MLFLOW_TRACKING_URI"),
    ],
)
def test_an_address_at_which_there_is_none(
    address: str, reason: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_client, "PATIENCE", 2.0)
    use(address, monkeypatch)
    with pytest.raises(Unavailable) as raised:
        mlflow_client.answers()
    assert reason in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_a_registry_on_another_server(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://127.0.0.1:9")
    with pytest.raises(Unavailable) as raised:
        mlflow_client.answers()
    assert "its registry at http://127.0.0.1:9, cannot be used, as nothing" in str(raised.value)
    assert "MLFLOW_TRACKING_URI or MLFLOW_REGISTRY_URI" in str(raised.value)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_so_in_one_sentence(
    command: str,
    released: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    use("http://127.0.0.1:9", monkeypatch)
    before = released.files()
    monkeypatch.setattr(sys, "argv", ["-m", command, *COMMANDS[command]])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("error: MLflow at http://127.0.0.1:9 cannot be used, as nothing")
    assert released.files() - before <= {"runs/.release.lock"}


def test_a_server_that_dies_later_is_one_sentence_too(
    released: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use("http://127.0.0.1:9", monkeypatch)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(cli, "check_registry", lambda: None)  # it answered
    monkeypatch.setattr(sys, "argv", ["-m", "status"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("error: MLflow at http://127.0.0.1:9 failed: ")


@pytest.mark.parametrize(
    ("failure", "hidden"),
    [
        (lambda: mlflow_client.mlflow_client().get_run("no such run"), False),
        (lambda: mlflow_client.mlflow_client().search_experiments(max_results=-1), False),
        (lambda: requests.get("no address", timeout=1), False),
        (lambda: requests.get("http://127.0.0.1:9", timeout=1), True),
    ],
)
def test_a_mistake_of_ours_keeps_its_traceback(
    failure: Callable[[], object], hidden: bool, project: Project
) -> None:
    with pytest.raises(Exception) as raised, cli.one_sentence():  # noqa: PT011
        failure()
    assert isinstance(raised.value, Unavailable) == hidden


@pytest.mark.parametrize(
    ("status", "hidden"), [(400, False), (401, True), (403, True), (503, True)]
)
def test_the_status_tells(status: int, hidden: bool) -> None:
    response = requests.Response()
    response.status_code = status
    assert is_unavailable(requests.HTTPError(response=response)) == hidden


def test_a_run_of_another_program_is_not_resumed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RUN_ID", "EXPERIMENT_ID", "EXPERIMENT_NAME"):
        monkeypatch.setenv(f"MLFLOW_{name}", "0" * 32)
    mlflow_client.load_mlflow.cache_clear()
    project.work(P[4])
    assert registry.champion(project.params.model_name) is not None
    assert Path("mlflow.db").exists()
