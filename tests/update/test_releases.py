"""Updates from each release to the next, of projects from both front ends: edits stay.

These tests write `docs/updates.md`.
"""

import re
import shutil
from itertools import product
from pathlib import Path

import pytest
import yaml

from tests.ownership import team_files
from tests.shell import ADDRESS, ROOT, change
from tests.tables import UPDATES, record
from tests.update.edits import LINES, edit, edit_same_lines
from tests.update.releases import (
    AFTER,
    BEFORE,
    MOVED,
    MOVED_FROM,
    NOW,
    Releases,
    different,
    tags,
)

STEPS = {"the release before": (BEFORE, NOW), "the release after": (NOW, AFTER)}
FRONT_ENDS = {"cookiecutter": "Cookiecutter", "copier": "Copier"}
ANSWERS = {
    "nothing": {},
    "orchestrator=airflow": {"orchestrator": "airflow"},
    "orchestrator=kubeflow": {"orchestrator": "kubeflow"},
    "alerting=email": {"alerting": "email"},
    "monitoring=none": {"monitoring": "none"},
    "monitoring=prometheus": {"monitoring": "prometheus"},
}
EDITS, SAME_LINES, MOVED_FILE = (
    "its own step, source, dependency, target and workflow",
    "lines that the template also changed",
    "a file that the template moved",
)


def row(step: str, changed: str) -> str:
    return f"{'from' if step == 'the release before' else 'to'} {step}: {changed}"


ROWS = [
    row(step, changed)
    for step in STEPS
    for changed in (*ANSWERS, EDITS, SAME_LINES, MOVED_FILE)
    if (step, changed) not in (
        ("the release before", "monitoring=prometheus"),  # as with nothing: it is the default
        ("the release after", MOVED_FILE),
    )
]  # fmt: skip


# `make test` checks these, `make matrix` all.
BRIEF = {
    ("the release before", "nothing", "cookiecutter"),
    ("the release before", EDITS, "cookiecutter"),
    ("the release after", "orchestrator=kubeflow", "copier"),
    ("the release after", "monitoring=prometheus", "copier"),
    ("the release after", SAME_LINES, "cookiecutter"),
}


def cells(*changes: str) -> list[object]:
    """Combine each release and each front end with each of these changes."""
    return [
        pytest.param(
            *cell,
            marks=() if cell in BRIEF else pytest.mark.matrix,
            id="-".join(cell),
        )
        for cell in product(STEPS, changes, FRONT_ENDS)
        if row(*cell[:2]) in ROWS
    ]


@pytest.mark.parametrize(("step", "changed", "front_end"), cells(*ANSWERS))
def test_a_project_without_edits(
    releases: Releases, tmp_path: Path, step: str, changed: str, front_end: str
) -> None:
    """It equals a new project of the newer release, except for the team's files."""
    old, new = STEPS[step]
    first = {"monitoring": "none"} if changed == "monitoring=prometheus" else {}
    project = releases.project(tmp_path / "project", old, front_end, **first)
    words = [changed] if ANSWERS[changed] else []
    releases.update(project, "--vcs-ref", new, *(f"--data={word}" for word in words))
    fresh = releases.rendered(new, **ANSWERS[changed])
    assert different(project, fresh) == left_alone(fresh, new)
    assert not releases.conflicts(project)
    record(UPDATES, row(step, changed), FRONT_ENDS[front_end], "as a new project")


def left_alone(fresh: Path, tag: str) -> set[str]:
    """Return the files that a release changed and an update does not: the team's."""
    return set(team_files(fresh)) if tag == AFTER else set()


@pytest.mark.parametrize(("step", "changed", "front_end"), cells(EDITS))
def test_edits_are_merged(
    releases: Releases, tmp_path: Path, step: str, changed: str, front_end: str
) -> None:
    old, new = STEPS[step]
    project = releases.project(tmp_path / "project", old, front_end)
    edit(project)
    (project / "uv.lock").write_text("locked\n")
    (project / "dvc.lock").write_text("stages: {}\n")
    releases.shell.commit(project, "Ours")
    releases.update(project, "--vcs-ref", new)
    check_edits(releases, project, new)
    assert (project / "uv.lock").read_text() == "locked\n"
    record(
        UPDATES,
        row(step, changed),
        FRONT_ENDS[front_end],
        "all edits kept; otherwise as a new project",
    )


def check_edits(releases: Releases, project: Path, new: str) -> None:
    """Check that all edits are there, and nothing else differs from the newer release."""
    assert not releases.conflicts(project)
    fresh = releases.rendered(new)
    assert different(project, fresh) == {*LINES, "dvc.lock"} | left_alone(fresh, new)
    for name, lines in LINES.items():
        text = (project / name).read_text(encoding="utf-8")
        assert all(line in text for line in lines), name
    edited = releases.project(project.parent / "edited", new)
    edit(edited)
    assert different(project, edited) == {"uv.lock", "dvc.lock"} | left_alone(fresh, new)


@pytest.mark.parametrize(("step", "changed", "front_end"), cells(SAME_LINES))
def test_conflicts_are_marked(
    releases: Releases, tmp_path: Path, step: str, changed: str, front_end: str
) -> None:
    """Both versions of the same lines are there, and nothing else is marked.

    The update can be undone, or its conflicts resolved.
    """
    old, new = STEPS[step]
    project = releases.project(tmp_path / "project", old, front_end)
    edit_same_lines(project)
    releases.shell.commit(project, "Ours")
    before = tmp_path / "before"
    releases.shell("git", "clone", "-q", project, before)
    releases.update(project, "--vcs-ref", new)
    found = releases.conflicts(project)
    assert found == [".github/workflows/ci.yml", "pyproject.toml"]
    text = (project / found[0]).read_text(encoding="utf-8")
    marked = (
        "<<<<<<< before updating\n    timeout-minutes: 90\n"
        r"=======\n    timeout-minutes: \d+\n>>>>>>> after updating\n"
    )
    assert re.search(marked, text)
    assert all((project / name).read_text().count("<<<<<<<") == 1 for name in found)
    assert "learning_rate: 0.2" in (project / "params.yaml").read_text()
    fresh = releases.rendered(new)
    assert different(project, fresh) == {*found, "params.yaml"} | left_alone(fresh, new)
    taken_back = tmp_path / "taken back"
    shutil.copytree(project, taken_back)
    releases.shell("git", "checkout", "-q", "--ours", *found, cwd=project)
    releases.shell("git", "add", "--all", cwd=project)
    assert "timeout-minutes: 90" in (project / found[0]).read_text(encoding="utf-8")
    assert not releases.conflicts(project)
    releases.shell("git", "reset", "-q", "--hard", cwd=taken_back)
    releases.shell("git", "clean", "-qfd", cwd=taken_back)
    assert different(taken_back, before) == set()
    seen = f"one conflict each: {' and '.join(found)}"
    record(UPDATES, row(step, changed), FRONT_ENDS[front_end], seen)


@pytest.mark.parametrize(
    "front_end", [pytest.param("copier", marks=pytest.mark.matrix), "cookiecutter"]
)
def test_a_moved_file(releases: Releases, tmp_path: Path, front_end: str) -> None:
    """Copier removes the old file with its edits and marks nothing; git shows what was lost.

    If the project moves its own file first, both sides of each edit are marked.
    """
    ours, theirs = '"""Ours."""', first_line(releases.rendered(NOW) / MOVED)
    project = releases.project(tmp_path / "project", BEFORE, front_end)
    change(project / MOVED_FROM, theirs, ours)
    releases.shell.commit(project, "Ours")
    project_that_moves = releases.project(tmp_path / "moves", BEFORE, front_end)
    change(project_that_moves / MOVED_FROM, theirs, ours)
    releases.shell("git", "mv", MOVED_FROM, MOVED, cwd=project_that_moves)
    releases.shell.commit(project_that_moves, "Ours, at its new place")

    releases.update(project, "--vcs-ref", NOW)
    assert not releases.conflicts(project)
    assert not different(project, releases.rendered(NOW))
    releases.shell("git", "add", "--all", cwd=project)
    shown = releases.shell("git", "diff", "--cached", "-M", "--diff-filter=DR", cwd=project).stdout
    assert f"rename from {MOVED_FROM}\nrename to {MOVED}\n" in shown
    assert f"\n-{ours}\n+{theirs}\n" in shown

    releases.update(project_that_moves, "--vcs-ref", NOW)
    assert releases.conflicts(project_that_moves) == [MOVED]
    assert (f"<<<<<<< before updating\n{ours}\n=======\n{theirs}\n>>>>>>> after updating\n") in (
        project_that_moves / MOVED
    ).read_text(encoding="utf-8")
    seen = "edits lost without a mark; marked after `git mv`"
    record(UPDATES, row("the release before", MOVED_FILE), FRONT_ENDS[front_end], seen)


def first_line(file: Path) -> str:
    return file.read_text(encoding="utf-8").partition("\n")[0]


@pytest.mark.matrix
def test_a_release_can_be_left_out(releases: Releases, tmp_path: Path) -> None:
    project = releases.project(tmp_path / "project", BEFORE)
    said = releases.update(project)
    fresh = releases.rendered(AFTER)
    assert different(project, fresh) == set(team_files(fresh))
    assert said == f"Updating to template version {AFTER[1:]}\n{MESSAGE}\n"


def test_an_answer_changes_and_the_release_stays(releases: Releases, tmp_path: Path) -> None:
    project = releases.project(tmp_path / "project", NOW)
    said = releases.update(project, "--vcs-ref", ":current:", "--data", "monitoring=none")
    assert said.startswith(f"Keeping template version {NOW[1:]}\n")
    assert not different(project, releases.rendered(NOW, monitoring="none"))


def removed(releases: Releases, tag: str, orchestrator: str) -> set[str]:
    """Return the files of an earlier release that projects lose with the tree."""
    there = [
        {str(file.relative_to(made)) for file in made.rglob("*") if not file.is_dir()}
        for made in (releases.rendered(t, orchestrator=orchestrator) for t in (tag, NOW))
    ]
    return {name for name in there[0] - there[1] if not name.startswith(".git/")}


def test_lost_files_are_known(releases: Releases) -> None:
    assert removed(releases, BEFORE, "prefect") == {MOVED_FROM}


MESSAGE: str = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))[
    "_message_after_update"
].replace("{{{ 'compile ' if orchestrator == 'kubeflow' else '' }}}", "")

TAGS = tags()
OLDER = [pytest.param(tag, marks=pytest.mark.matrix) for tag in TAGS[:-1]]
NONE = pytest.param(
    "", marks=pytest.mark.skip("no tag v* is here: there was no release, or the clone is shallow")
)


@pytest.mark.parametrize("tag", [*OLDER, *TAGS[-1:]] or [NONE])
@pytest.mark.parametrize("orchestrator", ["prefect", "airflow", "kubeflow"])
def test_from_each_release_there_was(
    releases: Releases, tmp_path: Path, tag: str, orchestrator: str
) -> None:
    """CHANGELOG.md names the files that projects lose without a mark; edits stay."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    lost = removed(releases, tag, orchestrator)
    assert not [name for name in lost if Path(name).name not in changelog]
    project = releases.project(tmp_path / "project", tag, orchestrator=orchestrator)
    (project / "src/my_pipeline/own.py").write_text("# ours\n")
    readme = (project / "README.md").read_text(encoding="utf-8")
    (project / "README.md").write_text("Ours.\n\n" + readme, encoding="utf-8")
    releases.shell.commit(project, "Ours")
    releases.update(project, "--vcs-ref", NOW)
    assert not releases.conflicts(project)
    fresh = releases.rendered(NOW, orchestrator=orchestrator)
    left = different(project, fresh) - {*team_files(fresh), *team_files(project)}
    assert left == {"src/my_pipeline/own.py", "README.md"}
    assert (project / "README.md").read_text(encoding="utf-8").startswith("Ours.\n\n")


@pytest.mark.parametrize("needs", ["migrations", "tasks", "jinja_extensions"])
def test_nothing_needs_trust(needs: str) -> None:
    """Copier refuses all three without `--trust`."""
    assert f"\n_{needs}:" not in (ROOT / "copier.yml").read_text(encoding="utf-8")


def test_a_migration_would_need_trust(releases: Releases, tmp_path: Path) -> None:
    template = tmp_path / "template"
    releases.shell("git", "clone", "-q", releases.shell.home / "template", template)
    with (template / "copier.yml").open("a") as file:
        file.write("\n_migrations:\n  - version: v2000.0.0\n    command: 'true'\n")
    releases.shell.commit(template, "Migrate", tag="v2000.0.0")
    project = releases.project(tmp_path / "project", AFTER)
    change(project / ".copier-answers.yml", ADDRESS, str(template))
    releases.shell.commit(project, "Moved")
    done = releases.shell("copier", "update", "--defaults", cwd=project, ok=False)
    assert done.returncode
    assert "Template uses potentially unsafe feature: migrations." in done.stderr
    assert releases.shell("git", "status", "--porcelain", cwd=project).stdout == ""
