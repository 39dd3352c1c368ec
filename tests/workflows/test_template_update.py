"""The rendered template-update.yml, executed: with a newer version and without, with its token."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.projects import Project, install
from tests.shell import TREE, Shell
from tests.workflows.hub import Hub, Settings
from tests.workflows.kept import keep
from tests.workflows.runner import Run, run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("template update")]

OURS, THEIRS = "The licence of a team.\n", "The licence of version 1.1.0.\n"
RETRAIN = ".github/workflows/retrain.yml"


@pytest.fixture(
    params=[
        "Prefect",
        pytest.param("Airflow", marks=pytest.mark.matrix),
        pytest.param("Kubeflow", marks=pytest.mark.matrix),
    ]
)
def column(request: pytest.FixtureRequest) -> str:
    """Give the name of an orchestrator."""
    name: str = request.param
    return name


@pytest.fixture
def edited(make_shell: Callable[[], Shell], column: str) -> Project:
    """Give a project whose licence was edited; `release` changes it in the template, too."""
    project = install(make_shell(), "project", licence="mit", orchestrator=column.lower())
    licence = project.folder / "LICENSE"
    licence.write_text("".join([*licence.read_text().splitlines(keepends=True)[:-1], OURS]))
    project.shell.commit(project.folder, "Edit the licence")
    return project


def release(shell: Shell) -> None:
    """Give the template a newer version: its licence, a workflow and a page are not the same."""
    tree = shell.home / "template" / TREE
    licence = tree / "{{{cookiecutter.__mit}}}LICENSE"
    licence.write_text("".join([*licence.read_text().splitlines(keepends=True)[:-1], THEIRS]))
    workflow = tree / RETRAIN
    workflow.write_text("# Newer.\n" + workflow.read_text())
    (tree / "docs" / "new.md").write_text("New.\n")
    shell.commit(tree.parent, "Second version", tag="v1.1.0")


def start(hub: Hub, folder: Path) -> Run:
    done = run(hub, hub.schedule(), "template-update.yml", folder)
    print(done)
    assert done.result == "success"
    return done


def changed(hub: Hub) -> list[str]:
    return hub.git("diff", "--name-only", "main", "template-update").split()


def test_template_update(edited: Project, column: str, tmp_path: Path) -> None:
    hub = Hub.of(edited.shell, edited.folder, tmp_path / "hub")
    start(hub, tmp_path / "newest")
    assert hub.pulls == {}

    release(edited.shell)
    done = start(hub, tmp_path / "newer")
    asked = hub.pulls["template-update"]
    assert asked["title"] == "Update to v1.1.0 of the template"
    assert "- `LICENSE`" in asked["body"]
    assert "+# Newer." in asked["body"]
    assert changed(hub) == [".copier-answers.yml", "LICENSE", "docs/new.md"]
    licence = hub.text("template-update", "LICENSE")
    assert f"{OURS}=======\n{THEIRS}>>>>>>>" in licence
    keep(done, column)

    token = {"template-update": Settings({"TEMPLATE_UPDATE_TOKEN": "a token"})}
    hub = Hub.of(edited.shell, edited.folder, tmp_path / "with-token", environments=token)
    start(hub, tmp_path / "token")
    assert RETRAIN in changed(hub)
    assert "+# Newer." not in hub.pulls["template-update"]["body"]
