"""What `copier update` refuses: nothing changes; docs/upgrade.md has its words and a way out."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.shell import ADDRESS, ROOT
from tests.update.releases import AFTER, BEFORE, NOW, Releases, change, different

pytestmark = pytest.mark.xdist_group("updates")

ANSWERS = ".copier-answers.yml"


def set_version(project: Path, version: str) -> None:
    change(project / ANSWERS, f'_commit: "{NOW}"', f'_commit: "{version}"')


def lose_version(project: Path) -> None:
    change(project / ANSWERS, f'_commit: "{NOW}"\n', "")


def set_address(project: Path, address: str) -> None:
    change(project / ANSWERS, f"'{ADDRESS}'", f"'{address}'")


def keep(project: Path) -> None:
    """Leave it as it is."""


# What befell a project, all of it committed; what is said on the last lines; the words given.
REFUSED: dict[str, tuple[Callable[[Path], None], str, list[str]]] = {
    "a version whose tag is gone": (
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
    "a template whose folder is gone": (
        lambda project: set_address(project, "/nowhere/template"),
        "ValueError: Local template must be a directory.",
        [],
    ),
    "a template whose repository is gone": (
        lambda project: set_address(project, "git+file:///nowhere/template.git"),
        "fatal: '/nowhere/template.git' does not appear to be a git repository",
        [],
    ),
    "no answers": (
        lambda project: (project / ANSWERS).unlink(),
        "TypeError: Template not found",
        [],
    ),
}


def tree(project: Path) -> dict[str, bytes]:
    """Return the files of a project, git's own left aside."""
    files = {str(f.relative_to(project)): f for f in project.rglob("*") if f.is_file()}
    return {name: f.read_bytes() for name, f in files.items() if not name.startswith(".git/")}


def refused(releases: Releases, project: Path, said: str, *words: str) -> None:
    """See that an update ends with these words, changes nothing, and is in the page."""
    before = tree(project)
    done = releases.shell("copier", "update", "--defaults", *words, cwd=project, ok=False)
    assert done.returncode == 1
    assert said in done.stderr[-500:]
    assert tree(project) == before
    page = (ROOT / "docs/upgrade.md").read_text(encoding="utf-8")
    assert said.replace(NOW[1:], "0.2.0").replace(BEFORE[1:], "0.1.0") in page


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused(releases: Releases, tmp_path: Path, what: str) -> None:
    befall, said, words = REFUSED[what]
    project = releases.project(tmp_path / "project", NOW)
    befall(project)
    releases.shell("git", "commit", "-qam", "Befallen", "--allow-empty", cwd=project)
    refused(releases, project, said, *words)


def test_a_dirty_tree(releases: Releases, tmp_path: Path) -> None:
    """A new file is enough; with the change committed or stashed, all is well."""
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
    assert different(project, releases.rendered(AFTER)) == {"notes.txt"}


def test_outside_a_repository(releases: Releases, tmp_path: Path) -> None:
    """And in one with no commit, which `make setup` makes."""
    project = releases.project(tmp_path / "project", NOW)
    shutil.rmtree(project / ".git")
    refused(releases, project, "Updating is only supported in git-tracked subprojects.")
    releases.shell("git", "init", "-q", cwd=project)
    refused(releases, project, "Destination repository is dirty; cannot continue.")


@pytest.mark.parametrize("lost", ["the tag", "the address"])
def test_the_way_out(releases: Releases, tmp_path: Path, lost: str) -> None:
    """The version's commit, or the nearest version there is, in `_commit`; the new `_src_path`."""
    project = releases.project(tmp_path / "project", NOW)
    if lost == "the tag":
        commit = releases.shell("git", "rev-parse", NOW, cwd=releases.shell.home / "template")
        set_version(project, commit.stdout.strip())
    else:
        moved = tmp_path / "moved"
        releases.shell("git", "clone", "-q", releases.shell.home / "template", moved)
        set_address(project, str(moved))
    releases.shell.commit(project, "Set right")
    releases.update(project)
    left = different(project, releases.rendered(AFTER))
    assert left == (set() if lost == "the tag" else {ANSWERS})
    assert releases.conflicts(project) == []


def test_the_nearest_version(releases: Releases, tmp_path: Path) -> None:
    """Of a version that is gone for good: what it had beyond the nearest one counts as edited."""
    project = releases.project(tmp_path / "project", NOW)
    set_version(project, BEFORE)
    releases.shell.commit(project, "The nearest there is")
    releases.update(project)
    lines = {
        ".github/workflows/ci.yml": ("timeout-minutes: 30", "timeout-minutes: 45"),
        "params.yaml": ("min_samples_leaf: 50", "min_samples_leaf: 60"),
        "pyproject.toml": ('"polars>=1.44', '"polars>=1.44.1'),
    }
    assert releases.conflicts(project) == list(lines)
    assert different(project, releases.rendered(AFTER)) == set(lines)
    for name, both in lines.items():
        assert all(line in (project / name).read_text(encoding="utf-8") for line in both)
