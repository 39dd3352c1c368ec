"""The rendered deploy.yml and retrain.yml of Kubeflow, executed against a server with its API."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.alerts.receiver import Receiver
from tests.projects import Project
from tests.shell import ROOT
from tests.workflows.hub import Event, Hub, Settings
from tests.workflows.kept import keep
from tests.workflows.runner import Run, run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.matrix,
    pytest.mark.xdist_group("kubeflow project"),
]

# It accepts only what KFP's schema knows, which it reads from the package in the project.
SERVER = ROOT / "tests/kubeflow/inside/kfp_server.py"


@contextmanager
def cluster(project: Project, outcome: str = "SUCCEEDED") -> Iterator[Settings]:
    """Yield the settings of an environment whose cluster ends runs in a certain state."""
    python = project.folder / ".venv/bin/python"
    with subprocess.Popen(
        [python, SERVER, outcome],
        cwd=project.folder,
        env=project.shell.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin
        assert server.stdout
        host = server.stdout.readline().strip()
        yield Settings(
            {"KFP_TOKEN": "token-of-the-cluster"}, {"KFP_HOST": host, "KFP_CA": "an authority"}
        )
        server.stdin.close()
    assert server.returncode == 0, "something came that KFP does not know"


def start(hub: Hub, event: Event, workflow: str, folder: Path, registry: str) -> Run:
    done = run(hub, event, workflow, folder, replaced={"ghcr.io": registry})
    print(done)
    return done


def alerts(receiver: Receiver) -> list[str]:
    return [alert.payload["title"] for alert in receiver.arrived]


def test_deploy_and_retrain(kubeflow: Project, tmp_path: Path, registry: str) -> None:
    with Receiver() as receiver, cluster(kubeflow) as staging, cluster(kubeflow) as production:
        hub = Hub.of(
            kubeflow.shell,
            kubeflow.folder,
            tmp_path / "hub",
            settings=Settings(
                {"ALERT_URLS": receiver.urls()["webhook"]},
                {"DEPLOY": "production", "ATTEST": "true"},
            ),
            environments={"staging": staging, "production": production},
        )
        done = start(hub, hub.push(), "deploy.yml", tmp_path / "good", registry)
        assert done.result == "success"
        assert alerts(receiver) == [
            "my-pipeline: staging has a new version",
            "my-pipeline: production has a new version",
        ]
        keep(done, "Kubeflow")

        by_hand = hub.dispatch(period="2013-06", environment="staging")
        done = start(hub, by_hand, "retrain.yml", tmp_path / "retrain", registry)
        assert done.result == "success"
        keep(done, "Kubeflow")


def test_a_deploy_that_fails(kubeflow: Project, tmp_path: Path, registry: str) -> None:
    with Receiver() as receiver, cluster(kubeflow, "FAILED") as staging:
        settings = Settings({"ALERT_URLS": receiver.urls()["webhook"]})
        hub = Hub.of(
            kubeflow.shell,
            kubeflow.folder,
            tmp_path / "hub",
            settings=settings,
            environments={"staging": staging},
        )
        done = start(hub, hub.dispatch(), "deploy.yml", tmp_path / "run", registry)
        assert done.results == {"image": "success", "staging": "failure", "production": "skipped"}
        assert alerts(receiver) == ["my-pipeline: staging was not deployed"]


def test_a_deploy_without_its_settings(kubeflow: Project, tmp_path: Path, registry: str) -> None:
    hub = Hub.of(kubeflow.shell, kubeflow.folder, tmp_path / "hub")
    done = start(hub, hub.dispatch(), "deploy.yml", tmp_path / "run", registry)
    assert done.results["staging"] == "failure"
    said = done.job("staging / deploy").step("Check the settings").log
    assert "KFP_HOST, the address of Kubeflow Pipelines, is not set. On GitHub:" in said
