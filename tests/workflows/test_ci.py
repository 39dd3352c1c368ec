"""The rendered ci.yml, executed on a pull request."""

from pathlib import Path

import pytest

from tests.projects import Project, need_docker
from tests.workflows.act import run
from tests.workflows.hub import Hub

# Most of it is `make test`, which tests/run has its projects do.
pytestmark = [pytest.mark.slow, pytest.mark.matrix, pytest.mark.xdist_group("stack")]


@pytest.mark.parametrize("fixture", ["project", "airflow", "kubeflow"])
def test_a_pull_request(fixture: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    need_docker()
    project: Project = request.getfixturevalue(fixture)
    hub = Hub.of(project.shell, project.folder, tmp_path / "hub")
    params = (project.folder / "params.yaml").read_text()
    changed = params.replace("max_iter: 150", "max_iter: 100")
    assert changed != params
    hub.commit("change", {"params.yaml": changed})
    done = run(hub, hub.pull_request("change"), "ci.yml", tmp_path)
    assert done.result == "success"
    assert done.skipped == []
    summary = done.jobs["pipeline"].summary
    assert "this change against main" in summary
    assert "+  max_iter: 100\n" in summary
    assert "| auc | 0.6822 |" in summary
    assert [file.name for file in done.artifacts.rglob("*.*")] == ["report.html"]
