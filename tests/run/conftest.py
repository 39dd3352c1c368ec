"""What several files of tests share: a first run of May under Airflow and Kubeflow.

These files are one group: their tests follow each other on one worker, those of parity last.
"""

import pytest

from tests.projects import Project, clone
from tests.shell import Shell

collect_ignore = ["inside"]  # those tests run in a rendered project's environment


def at_home(project: Project, factory: pytest.TempPathFactory) -> Project:
    """Return a clone with an empty home of its own."""
    own = clone(project, factory.mktemp("own") / "my-pipeline")
    return Project(own.folder, Shell(factory.mktemp("home")))


@pytest.fixture(scope="session")
def on_airflow(airflow: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Give the project on Airflow that test_airflow.py runs first."""
    return at_home(airflow, tmp_path_factory)


@pytest.fixture(scope="session")
def on_kubeflow(kubeflow: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Give the project on Kubeflow Pipelines that test_kubeflow.py runs first."""
    project = at_home(kubeflow, tmp_path_factory)
    project.make("setup")
    return project


def run_may(project: Project, **variables: str) -> str:
    """Run May, with more variables, unless it is done; return what was printed."""
    if "2013-05" in project.results():
        return ""
    return project.make("run", "PERIOD=2013-05", ok=True, **variables)
