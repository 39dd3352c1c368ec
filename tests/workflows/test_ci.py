"""The rendered ci.yml, executed on a pull request."""

from pathlib import Path

import pytest

from tests.projects import Project, need_docker
from tests.workflows.hub import Hub
from tests.workflows.kept import keep
from tests.workflows.runner import run

# Most of it is `make test`, which tests/run has its projects do.
pytestmark = [pytest.mark.slow, pytest.mark.matrix, pytest.mark.xdist_group("stack")]

ORCHESTRATORS = {
    "Prefect": "project",
    "Airflow": "airflow",
    "Kubeflow": "kubeflow",
}


@pytest.mark.parametrize(
    ("name", "fixture"),
    ORCHESTRATORS.items(),
)
def test_a_pull_request(
    name: str, fixture: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    need_docker()
    project: Project = request.getfixturevalue(fixture)
    hub = Hub.of(project.shell, project.folder, tmp_path / "hub")
    params = (project.folder / "params.yaml").read_text()
    changed = params.replace("max_iter: 150", "max_iter: 100")
    assert changed != params
    hub.commit("change", {"params.yaml": changed})
    patient = {"timeout-minutes: 30": "timeout-minutes: 120"}  # this machine may be a busy one
    change = hub.pull_request("change")
    done = run(hub, change, "ci.yml", tmp_path / "run", replaced=patient)
    print(done)
    assert done.result == "success"
    summary = done.job("pipeline").summary
    assert "this change against main" in summary
    assert "+  max_iter: 100\n" in summary
    assert "| auc | 0.6822 |" in summary
    assert [file.name for file in done.artifacts.rglob("*.*")] == ["report.html"]
    keep(done, name)
