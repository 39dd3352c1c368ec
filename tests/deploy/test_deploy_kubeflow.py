"""The rendered deploy.yml and retrain.yml of Kubeflow, executed against a server with its API."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.alerts.receiver import Receiver
from tests.projects import Project
from tests.shell import ROOT
from tests.workflows.act import run
from tests.workflows.hub import Hub

pytestmark = [
    pytest.mark.slow,
    pytest.mark.matrix,
    pytest.mark.xdist_group("deploy deploy_kubeflow"),
]

# It accepts only what KFP's schema knows, which it reads from the package in the project.
SERVER = ROOT / "tests/kubeflow/inside/kfp_server.py"
# act has one set of variables. On GitHub, each environment has a KFP_HOST.
HOST = "inputs.environment == 'production' && vars.PRODUCTION || vars.STAGING"
HOSTS = {"${{ vars.KFP_HOST }}": f"${{{{ {HOST} }}}}"}


@contextmanager
def cluster(project: Project) -> Iterator[str]:
    """Yield the address of a cluster whose runs succeed."""
    python = project.folder / ".venv/bin/python"
    with subprocess.Popen(
        [python, SERVER, "SUCCEEDED"],
        cwd=project.folder,
        env=project.shell.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin
        assert server.stdout
        yield server.stdout.readline().strip()
        server.stdin.close()
    assert server.returncode == 0, "something came that KFP does not know"


def test_deploy_and_retrain(kubeflow: Project, tmp_path: Path, registry: str) -> None:
    hub = Hub.of(kubeflow.shell, kubeflow.folder, tmp_path / "hub")
    with Receiver() as receiver, cluster(kubeflow) as staging, cluster(kubeflow) as production:
        on = {"DEPLOY": "production", "ATTEST": "true", "KFP_CA": "an authority"}
        alerts = receiver.urls()["webhook"]
        given: dict[str, dict[str, str]] = {
            "secrets": {"ALERT_URLS": alerts, "KFP_TOKEN": "token-of-the-cluster"},
            "variables": on | {"STAGING": staging, "PRODUCTION": production},
            "replaced": HOSTS | {"ghcr.io": registry},
        }
        done = run(hub, hub.push(), "deploy.yml", tmp_path, **given)
        assert done.result == "success"
        assert done.skipped == []
        assert [alert.payload["title"] for alert in receiver.arrived] == [
            "my-pipeline: staging has a new version",
            "my-pipeline: production has a new version",
        ]

        by_hand = hub.dispatch(period="2013-06", environment="staging")
        done = run(hub, by_hand, "retrain.yml", tmp_path, **given)
        assert done.result == "success"
