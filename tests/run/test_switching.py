"""An update changes a project's orchestrator, and it runs; tests/update shows what stays."""

import pytest

from tests.projects import Project

pytestmark = [pytest.mark.slow, pytest.mark.matrix, pytest.mark.xdist_group("run switching")]


def test_from_prefect_to_airflow(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shell, folder = project.shell, tmp_path_factory.mktemp("switching") / "my-pipeline"
    shell("git", "clone", "-q", project.folder, folder)
    shell("copier", "update", "--defaults", "-d", "orchestrator=airflow", cwd=folder)
    switched = Project(folder, shell)
    switched.make("setup")
    switched.make("run", "PERIOD=2013-05")
    result = switched.results()["2013-05"]
    assert (result["status"], result["orchestrator"]) == ("released", "airflow")
    switched.make("lint")
