"""An update changes a project's orchestrator; its own files and edits stay, and it runs."""

import pytest

from tests.projects import Project

pytestmark = [pytest.mark.slow, pytest.mark.matrix, pytest.mark.xdist_group("run switching")]

OWN_STEP = '"""A step of our own."""\n'


def test_from_prefect_to_airflow(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shell, folder = project.shell, tmp_path_factory.mktemp("switching") / "my-pipeline"
    shell("git", "clone", "-q", project.folder, folder)
    (folder / "src/my_pipeline/mine.py").write_text(OWN_STEP)
    train = folder / "src/my_pipeline/runtime/steps/train.py"
    train.write_text(train.read_text() + "\n\n# our own line\n")
    shell.commit(folder, "Our own step")
    shell("copier", "update", "--defaults", "-d", "orchestrator=airflow", cwd=folder)
    assert (folder / "dags/training.py").exists()
    assert not (folder / "flows").exists()
    assert (folder / "src/my_pipeline/mine.py").read_text() == OWN_STEP
    assert train.read_text().endswith("# our own line\n")
    switched = Project(folder, shell)
    switched.make("setup")
    switched.make("run", "PERIOD=2013-05")
    result = switched.results()["2013-05"]
    assert (result["status"], result["orchestrator"]) == ("released", "airflow")
    switched.make("lint")
