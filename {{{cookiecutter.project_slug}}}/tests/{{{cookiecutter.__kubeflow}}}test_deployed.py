"""What is deployed: whether it can be reached, and another run of it."""

import sys
from collections.abc import Iterator

import pytest

from {{{ cookiecutter.package_name }}}.errors import BadInput

from kubeflow import deployed
from kubeflow.server import DeployError, Server
from kubeflow.submit import deploy

from .conftest import Project
from .kfp_server import Kfp, serving
from .test_submit import FIRST, SECOND, small_one  # noqa: F401 - a fixture


@pytest.fixture
def cluster(project: Project, small_one: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kfp]:  # noqa: F811
    """A cluster that the environment names, on which nothing is deployed."""
    file = project.folder / "kubeflow/pipeline.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(small_one, encoding="utf-8")
    for variable in ("KFP_TOKEN", "KFP_NAMESPACE", "KFP_CA", "KFP_TIME_ZONE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("ALERT_URLS", "json://127.0.0.1:9")
    with serving() as state:
        monkeypatch.setenv("KFP_HOST", state.host)
        yield state


def test_the_version_of_the_schedule_runs_again(cluster: Kfp) -> None:
    for image in (FIRST, SECOND):
        deploy(Server(cluster.host, pause=0.01), image, minutes=0.2, poll=0.01)
    before = cluster.changes
    deployed.retrain("2013-06", minutes=0.2, poll=0.01)
    assert cluster.changes == [*before, "run_service_create_run"]
    run, (schedule,) = cluster.runs[-1], cluster.recurring
    assert run.runtime_config.parameters == {"period": "2013-06"}
    assert run.pipeline_version_reference == schedule.pipeline_version_reference
    deployed.retrain("", minutes=0.2, poll=0.01)
    assert not cluster.runs[-1].runtime_config.parameters


def test_a_run_that_fails(cluster: Kfp) -> None:
    deploy(Server(cluster.host, pause=0.01), FIRST, minutes=0.2, poll=0.01)
    cluster.outcome = "FAILED"
    with pytest.raises(DeployError, match="The run ended as FAILED"):
        deployed.retrain("", minutes=0.2, poll=0.01)


def test_what_cannot_be_run_again(cluster: Kfp) -> None:
    with pytest.raises(BadInput, match="Nothing is deployed on"):
        deployed.retrain("")
    with pytest.raises(BadInput, match="'June' is not a month"):
        deployed.retrain("June")
    assert not cluster.runs


def test_what_is_not_set_is_said_with_the_place_to_set_it(
    cluster: Kfp, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed.check()
    monkeypatch.setenv("ENVIRONMENT", "staging")
    for variable in ("ALERT_URLS", "KFP_HOST"):
        monkeypatch.delenv(variable)
        place = f"{variable}, .* is not set.* On GitHub: Settings, Environments, staging"
        with pytest.raises(BadInput, match=place):
            deployed.check()


def test_one_sentence(
    cluster: Kfp, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["deployed", "retrain"])
    with pytest.raises(SystemExit, match="2"):
        deployed.main()
    assert capsys.readouterr().err.startswith(f"error: Nothing is deployed on {cluster.host}: ")
