"""The rendered template-update.yml, executed: with a newer version and without, with its token."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.projects import Project
from tests.shell import ROOT, TREE, Shell
from tests.workflows.act import Run, run
from tests.workflows.hub import Hub

pytestmark = pytest.mark.slow
AIRFLOW = pytest.mark.xdist_group("workflows template_update")
KUBEFLOW = pytest.mark.xdist_group("workflows template_update")

UV = shutil.which("uv") or ROOT / ".uv/bin/uv"
OURS, THEIRS = "The licence of a team.\n", "The licence of version 1.1.0.\n"
CI, RETRAIN = ".github/workflows/ci.yml", ".github/workflows/retrain.yml"
CHANGED = [".copier-answers.yml", "LICENSE", "docs/new.md", "pyproject.toml", "uv.lock"]
TOKEN = {"TEMPLATE_UPDATE_TOKEN": "a-token"}
PUBLIC = "https://*github.com/me/ml-pipeline-template.git"
PRIVATE = "https://x-access-token:a-token@github.com/me/ml-pipeline-template.git"
# What git starts for https, with the address as the second argument.
GITHUB = """\
#!/bin/sh
case "$2" in
{address}) ;;
*) echo "fatal: could not read Username for 'https://github.com'" >&2; exit 128 ;;
esac
while read -r line; do
  case "$line" in
  capabilities) printf 'connect\\n\\n' ;;
  connect*) echo; exec git-upload-pack {template} ;;
  esac
done
"""


@pytest.fixture(
    params=[
        pytest.param("project", marks=pytest.mark.xdist_group("workflows template_update")),
        pytest.param("airflow", marks=[pytest.mark.matrix, AIRFLOW]),
        pytest.param("kubeflow", marks=[pytest.mark.matrix, KUBEFLOW]),
    ]
)
def edited(request: pytest.FixtureRequest, make_shell: Callable[[], Shell]) -> Project:
    """Return a project with edits of two files that `release` changes in the template, too."""
    original: Project = request.getfixturevalue(request.param)
    shell = make_shell()
    project = Project(shell.home / "my-pipeline", shell)
    shell("git", "clone", "-q", original.folder, project.folder)
    edit(project.folder, "LICENSE", OURS, -1)
    edit(project.folder, CI, "name: Ours\n", 0)
    shell.commit(project.folder, "Edit the licence, and a workflow")
    return project


def edit(folder: Path, name: str, text: str, line: int) -> None:
    lines = (folder / name).read_text().splitlines(keepends=True)
    lines[line] = text
    (folder / name).write_text("".join(lines))


def release(shell: Shell) -> None:
    """Return the template a newer version: a licence, workflows, a page and a dependency."""
    tree = shell.home / "template" / TREE
    edit(tree, "{{{cookiecutter.__mit}}}LICENSE", THEIRS, -1)
    workflows = "{{{cookiecutter.__github}}}.github/workflows"
    edit(tree, f"{workflows}/ci.yml", "name: Theirs\n", 0)
    edit(tree, workflows + "/{{{cookiecutter.__image}}}retrain.yml", "name: Newer\n", 0)
    (tree / "docs" / "new.md").write_text("New.\n")
    needed = (tree / "pyproject.toml").read_text()
    needed = needed.replace("dependencies = [\n", 'dependencies = [\n  "tabulate>=0.9",\n', 1)
    (tree / "pyproject.toml").write_text(needed)
    shell.commit(tree.parent, "Second version", tag="v1.1.0")


def start(
    hub: Hub, folder: Path, address: str = PUBLIC, secrets: dict[str, str] | None = None
) -> Run:
    """Run the workflow, with a GitHub that has the template at this address only."""
    programs = folder / "programs"
    if not programs.exists():
        shutil.copytree(hub.git("--exec-path"), programs, symlinks=True)
        (programs / "git-remote-https").unlink()
        script = GITHUB.format(address=address, template=hub.shell.home / "template")
        (programs / "git-remote-https").write_text(script)
        (programs / "git-remote-https").chmod(0o755)
    paths = {"GIT_EXEC_PATH": str(programs)}
    event = hub.schedule()
    return run(hub, event, "template-update.yml", folder, secrets=secrets, environment=paths)


def changed(hub: Hub) -> list[str]:
    return hub.git("diff", "--name-only", "main", "template-update").split()


def test_template_update(edited: Project, tmp_path: Path) -> None:
    hub = Hub.of(edited.shell, edited.folder, tmp_path / "hub")
    release(edited.shell)
    done = start(hub, tmp_path)
    assert done.result == "success"
    title, body = hub.pull("template-update")
    assert title == "Update to v1.1.0 of the template"
    assert body.count("- `") == 2
    assert "- `LICENSE`\n" in body
    assert f"- `{CI}`: you changed the same lines" in body
    assert "-name: CI\n+name: Theirs\n" in body
    assert "+name: Newer\n" in body
    assert changed(hub) == CHANGED
    licence = hub.text("template-update", "LICENSE")
    assert f"{OURS}=======\n{THEIRS}>>>>>>>" in licence
    branch = tmp_path / "branch"
    hub.shell("git", "clone", "-q", "-b", "template-update", hub.folder, branch)
    hub.shell(UV, "lock", "--check", cwd=branch)


@pytest.mark.matrix
def test_template_update_with_a_token(edited: Project, tmp_path: Path) -> None:
    hub = Hub.of(edited.shell, edited.folder, tmp_path / "hub")
    assert start(hub, tmp_path, secrets=TOKEN).result == "success"
    assert not hub.pulls.exists()

    release(edited.shell)
    assert start(hub, tmp_path, secrets=TOKEN).result == "success"
    assert changed(hub) == sorted([*CHANGED, CI, RETRAIN])
    _, body = hub.pull("template-update")
    assert f"- `{CI}`\n- `LICENSE`\n" in body
    assert "+name:" not in body


@pytest.mark.matrix
def test_private_template(edited: Project, tmp_path: Path) -> None:
    hub = Hub.of(edited.shell, edited.folder, tmp_path / "hub")
    done = start(hub, tmp_path, PRIVATE)
    assert done.result == "failure"
    assert "\nerror: Copier: fatal: could not read Username" in f"\n{done.log}"
    assert "Traceback" not in done.log

    release(edited.shell)
    assert start(hub, tmp_path, PRIVATE, TOKEN).result == "success"
    assert hub.pull("template-update")
