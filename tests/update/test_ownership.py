"""The team's files in an update: neither changed nor restored. The other files are merged."""

from pathlib import Path

import pytest

from tests.blocks import git_rm
from tests.ownership import team_files, team_patterns
from tests.update.releases import (
    AFTER,
    GRAPHS,
    MERGED,
    NEWER,
    NOW,
    RUNTIME,
    Releases,
    different,
    prepend,
    replace,
)

OURS = "# Ours.\n"
DELETED = ("src/my_pipeline/sample.py", "tests/test_model.py")


def rewrite_room(project: Path) -> None:
    """Replace each file of the team, and delete some."""
    for file in team_files(project):
        (project / file).write_text(OURS)
    for file in DELETED:
        (project / file).unlink()


@pytest.mark.parametrize(
    "front_end", [pytest.param("copier", marks=pytest.mark.matrix), "cookiecutter"]
)
def test_a_rewritten_room_stays(releases: Releases, tmp_path: Path, front_end: str) -> None:
    """No conflict; no file is restored, although the newer release changes and adds such files."""
    project = releases.project(tmp_path / "project", NOW, front_end)
    rewrite_room(project)
    releases.shell.commit(project, "Ours")
    said = releases.update(project)
    assert not releases.conflicts(project)
    fresh = releases.rendered(AFTER)
    assert all(NEWER in (fresh / file).read_text() for file in DELETED)
    assert different(project, fresh) == set(team_files(fresh))
    kept = set(team_files(fresh)) - {*DELETED, "tests/test_newer.py"}
    assert {file: (project / file).read_text() for file in team_files(project)} == dict.fromkeys(
        kept, OURS
    )
    assert [line[2:] for line in said.splitlines() if line.startswith("- ")] == team_patterns()


def test_no_file_that_the_team_deleted_is_restored(releases: Releases, tmp_path: Path) -> None:
    project = releases.project(tmp_path / "project", NOW)
    releases.shell("sh", "-c", git_rm(project), cwd=project)
    assert "tests/conftest.py" not in team_files(project)
    for file in team_files(project):
        (project / file).unlink()
    releases.shell.commit(project, "Nothing of the sample")
    releases.update(project)
    assert not releases.conflicts(project)
    assert team_files(project) == []


@pytest.mark.parametrize(
    "orchestrator",
    [
        "prefect",
        *(pytest.param(name, marks=pytest.mark.matrix) for name in ("airflow", "kubeflow")),
    ],
)
def test_other_files_are_merged(releases: Releases, tmp_path: Path, orchestrator: str) -> None:
    """Both edits are there; a line of the runtime that both sides changed is marked."""
    project = releases.project(tmp_path / "project", NOW, orchestrator=orchestrator)
    rewrite_room(project)
    graph = [str(f.relative_to(project)) for f in project.glob(f"{GRAPHS[orchestrator]}/*.py")]
    merged = [*MERGED, *graph]
    for name in merged:
        prepend(project / name, OURS)
    replace(project / RUNTIME, r'\A""".*', '"""Ours."""')
    releases.shell.commit(project, "Ours")
    releases.update(project)
    assert releases.conflicts(project) == [RUNTIME]
    for name in merged:
        text = (project / name).read_text(encoding="utf-8")
        assert text.startswith(OURS), name
        assert text.endswith(NEWER), name


def test_a_recopy_renews_all_other_files(releases: Releases, tmp_path: Path) -> None:
    """It restores files of the team that are missing."""
    project = releases.project(tmp_path / "project", NOW)
    rewrite_room(project)
    (project / RUNTIME).write_text(OURS)
    releases.shell.commit(project, "Ours")
    releases.shell("copier", "recopy", "--defaults", "--overwrite", "-r", NOW, cwd=project)
    fresh = releases.rendered(NOW)
    assert different(project, fresh) == {*team_files(fresh)} - {*DELETED}
