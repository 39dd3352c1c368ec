"""What `copier update` refuses: nothing changes, and docs/upgrade.md has message and solution."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ownership import team_files
from tests.shell import ADDRESS, ROOT, change
from tests.update.releases import AFTER, BEFORE, NOW, Releases, different

ANSWERS = ".copier-answers.yml"


def set_version(project: Path, version: str) -> None:
    change(project / ANSWERS, f'_commit: "{NOW}"', f'_commit: "{version}"')


def lose_version(project: Path) -> None:
    change(project / ANSWERS, f'_commit: "{NOW}"\n', "")


def set_address(project: Path, address: str) -> None:
    change(project / ANSWERS, f"'{ADDRESS}'", f"'{address}'")


def keep(project: Path) -> None:
    """Change nothing."""


# What happened to the project, the message on the last lines, and the arguments.
REFUSED: dict[str, tuple[Callable[[Path], None], str, list[str]]] = {
    "a version whose tag was deleted": (
        lambda project: set_version(project, "v0.0.0"),
        "fatal: invalid reference: v0.0.0",
        [],
    ),
    "a version that never was": (keep, "fatal: invalid reference: v9.9.9", ["--vcs-ref", "v9.9.9"]),
    "an older version": (
        keep,
        f"You are downgrading from {NOW[1:]} to {BEFORE[1:]}. Downgrades are not supported.",
        ["--vcs-ref", BEFORE],
    ),
    "no version": (
        lose_version,
        "Cannot update because cannot obtain old template references from `.copier-answers.yml`.",
        [],
    ),
    "a template whose folder was deleted": (
        lambda project: set_address(project, "/nowhere/template"),
        "ValueError: Local template must be a directory.",
        [],
    ),
    "a template whose repository moved": (
        lambda project: set_address(project, "git+file:///nowhere/template.git"),
        "fatal: '/nowhere/template.git' does not appear to be a git repository",
        [],
    ),
    "another problem": (
        keep,
        "problem chose the sample that this project started with, and changes nothing later",
        ["--data", "problem=regression"],
    ),
    "no answers": (
        lambda project: (project / ANSWERS).unlink(),
        "TypeError: Template not found",
        [],
    ),
}


def tree(project: Path) -> dict[str, bytes]:
    """Return the files of a project, without git's own."""
    files = {str(f.relative_to(project)): f for f in project.rglob("*") if f.is_file()}
    return {name: f.read_bytes() for name, f in files.items() if not name.startswith(".git/")}


def refused(releases: Releases, project: Path, said: str, *words: str) -> None:
    """Check that an update fails with this message, changes nothing, and that the page has it."""
    before = tree(project)
    done = releases.shell("copier", "update", "--defaults", *words, cwd=project, ok=False)
    assert done.returncode == 1
    assert said in done.stderr[-500:]
    assert tree(project) == before
    page = (ROOT / "docs/upgrade.md").read_text(encoding="utf-8")
    assert said.replace(NOW[1:], "0.2.0").replace(BEFORE[1:], "0.1.0") in page


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused(releases: Releases, tmp_path: Path, what: str) -> None:
    happen, said, words = REFUSED[what]
    project = releases.project(tmp_path / "project", NOW)
    happen(project)
    releases.shell("git", "commit", "-qam", "Changed", "--allow-empty", cwd=project)
    refused(releases, project, said, *words)


def test_a_dirty_tree(releases: Releases, tmp_path: Path) -> None:
    """A new file is enough; after a commit or a stash, the update works."""
    project = releases.project(tmp_path / "project", NOW)
    (project / "notes.txt").write_text("not yet committed\n")
    said = (
        "Destination repository is dirty; cannot continue. "
        "Please commit or stash your local changes and retry."
    )
    refused(releases, project, said)
    releases.shell("git", "stash", "-q", "--include-untracked", cwd=project)
    releases.update(project)
    releases.shell.commit(project, "Updated")
    releases.shell("git", "stash", "pop", "-q", cwd=project)
    fresh = releases.rendered(AFTER)
    assert different(project, fresh) == {"notes.txt", *team_files(fresh)}


def test_outside_a_repository(releases: Releases, tmp_path: Path) -> None:
    """And in a repository without a commit."""
    project = releases.project(tmp_path / "project", NOW)
    shutil.rmtree(project / ".git")
    refused(releases, project, "Updating is only supported in git-tracked subprojects.")
    releases.shell("git", "init", "-q", cwd=project)
    refused(releases, project, "Destination repository is dirty; cannot continue.")


@pytest.mark.parametrize("lost", ["the tag", pytest.param("the address", marks=pytest.mark.matrix)])
def test_the_solution(releases: Releases, tmp_path: Path, lost: str) -> None:
    """`_commit` names the version's commit; `_src_path` the new address."""
    project = releases.project(tmp_path / "project", NOW)
    if lost == "the tag":
        commit = releases.shell("git", "rev-parse", NOW, cwd=releases.shell.home / "template")
        set_version(project, commit.stdout.strip())
    else:
        moved = tmp_path / "moved"
        releases.shell("git", "clone", "-q", releases.shell.home / "template", moved)
        set_address(project, str(moved))
    releases.shell.commit(project, "Repaired")
    releases.update(project)
    fresh = releases.rendered(AFTER)
    left = different(project, fresh) - set(team_files(fresh))
    assert left == (set() if lost == "the tag" else {ANSWERS})
    assert releases.conflicts(project) == []


@pytest.mark.matrix
def test_the_nearest_version(releases: Releases, tmp_path: Path) -> None:
    """If the version is lost, its differences from the nearest one count as edits."""
    project = releases.project(tmp_path / "project", NOW)
    set_version(project, BEFORE)
    releases.shell.commit(project, "The nearest there is")
    releases.update(project)
    marked = {".github/workflows/ci.yml", "params.yaml", "pyproject.toml"}
    fresh = releases.rendered(AFTER)
    assert set(releases.conflicts(project)) == marked
    assert different(project, fresh) == marked | set(team_files(fresh))
