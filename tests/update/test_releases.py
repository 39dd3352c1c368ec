"""From each release to the next, by projects of both doors: what is edited stays, the rest is new.

`docs/updates.md` is written from what these tests see.
"""

import shutil
from itertools import product
from pathlib import Path

import pytest
import yaml

from tests.shell import ADDRESS, ROOT
from tests.tables import UPDATES, record
from tests.update.edits import LINES, edit, edit_same_lines
from tests.update.releases import AFTER, BEFORE, NOW, Releases, change, different, tags

pytestmark = pytest.mark.xdist_group("updates")  # they share the releases

STEPS = {"the release before": (BEFORE, NOW), "the release after": (NOW, AFTER)}
DOORS = {"cookiecutter": "Cookiecutter", "copier": "Copier"}
ANSWERS = {
    "nothing": {},
    "orchestrator=airflow": {"orchestrator": "airflow"},
    "orchestrator=kubeflow": {"orchestrator": "kubeflow"},
    "alerting=email": {"alerting": "email"},
    "monitoring=none": {"monitoring": "none"},
    "monitoring=prometheus": {"monitoring": "prometheus"},
}
EDITS, SAME_LINES, MOVED = (
    "its own step, source, dependency, target and workflow",
    "lines that the template also changed",
    "a file that the template moved",
)


def row(step: str, changed: str) -> str:
    return f"{'from' if step == 'the release before' else 'to'} {step}: {changed}"


ROWS = [
    row(step, changed)
    for step in STEPS
    for changed in (*ANSWERS, EDITS, SAME_LINES, MOVED)
    if (step, changed) not in (
        ("the release before", "monitoring=prometheus"),  # as with nothing: it is the default
        ("the release after", MOVED),
    )
]  # fmt: skip


# These are seen by `make test`, the others by `make matrix`.
BRIEF = {
    ("the release before", "nothing", "cookiecutter"),
    ("the release before", "orchestrator=airflow", "copier"),
    ("the release before", "monitoring=none", "cookiecutter"),
    ("the release before", EDITS, "cookiecutter"),
    ("the release after", "nothing", "copier"),
    ("the release after", "orchestrator=kubeflow", "cookiecutter"),
    ("the release after", "alerting=email", "copier"),
    ("the release after", "monitoring=prometheus", "copier"),
    ("the release after", EDITS, "copier"),
    ("the release after", SAME_LINES, "cookiecutter"),
}


def cells(*changes: str) -> list[object]:
    """Give each release and each door to each of these changes."""
    return [
        pytest.param(
            *cell,
            marks=() if cell in BRIEF else pytest.mark.matrix,
            id="-".join(cell),
        )
        for cell in product(STEPS, changes, DOORS)
        if row(*cell[:2]) in ROWS
    ]


@pytest.mark.parametrize(("step", "changed", "door"), cells(*ANSWERS))
def test_a_project_without_edits(
    releases: Releases, tmp_path: Path, step: str, changed: str, door: str
) -> None:
    """It becomes what the newer release renders for the same answers, to the byte."""
    old, new = STEPS[step]
    first = {"monitoring": "none"} if changed == "monitoring=prometheus" else {}
    project = releases.project(tmp_path / "project", old, door, **first)
    words = [changed] if ANSWERS[changed] else []
    releases.update(project, "--vcs-ref", new, *(f"--data={word}" for word in words))
    assert not different(project, releases.rendered(new, **ANSWERS[changed]))
    assert not releases.conflicts(project)
    record(UPDATES, row(step, changed), DOORS[door], "as a new project")


@pytest.mark.parametrize(("step", "changed", "door"), cells(EDITS))
def test_edits_are_merged(
    releases: Releases, tmp_path: Path, step: str, changed: str, door: str
) -> None:
    old, new = STEPS[step]
    project = releases.project(tmp_path / "project", old, door)
    edit(project)
    (project / "uv.lock").write_text("locked\n")
    (project / "dvc.lock").write_text("stages: {}\n")
    releases.shell.commit(project, "Ours")
    releases.update(project, "--vcs-ref", new)
    check_edits(releases, project, new)
    assert (project / "uv.lock").read_text() == "locked\n"
    record(UPDATES, row(step, changed), DOORS[door], "all edits kept; otherwise as a new project")


def check_edits(releases: Releases, project: Path, new: str) -> None:
    """See that all edits are there, none else is, and what is newer is in the same files."""
    assert not releases.conflicts(project)
    fresh = releases.rendered(new)
    assert different(project, fresh) == {*LINES, "dvc.lock"}
    for name, lines in LINES.items():
        text = (project / name).read_text(encoding="utf-8")
        assert all(line in text for line in lines), name
    edited = releases.project(project.parent / "edited", new)
    edit(edited)
    assert different(project, edited) == {"uv.lock", "dvc.lock"}


@pytest.mark.parametrize(("step", "changed", "door"), cells(SAME_LINES))
def test_conflicts_are_marked(
    releases: Releases, tmp_path: Path, step: str, changed: str, door: str
) -> None:
    """Where both changed the same lines both are there, and nothing else is marked.

    The update can be taken back, or settled.
    """
    old, new = STEPS[step]
    project = releases.project(tmp_path / "project", old, door)
    edit_same_lines(project)
    releases.shell.commit(project, "Ours")
    before = tmp_path / "before"
    releases.shell("git", "clone", "-q", project, before)
    releases.update(project, "--vcs-ref", new)
    found = releases.conflicts(project)
    assert found == [".github/workflows/ci.yml", "pyproject.toml"]
    text = (project / found[0]).read_text(encoding="utf-8")
    minutes = "30" if new == NOW else "45"
    assert (
        "<<<<<<< before updating\n    timeout-minutes: 90\n"
        f"=======\n    timeout-minutes: {minutes}\n>>>>>>> after updating\n"
    ) in text
    assert all((project / name).read_text().count("<<<<<<<") == 1 for name in found)
    assert "learning_rate: 0.2" in (project / "params.yaml").read_text()
    assert different(project, releases.rendered(new)) == {*found, "params.yaml"}
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
    record(UPDATES, row(step, changed), DOORS[door], seen)


@pytest.mark.parametrize("door", [pytest.param("copier", marks=pytest.mark.matrix), "cookiecutter"])
def test_a_moved_file(releases: Releases, tmp_path: Path, door: str) -> None:
    """Copier takes the old file away, edits and all, and marks nothing; git shows what was lost.

    Where the project moves its own file first, both sides of each edit are marked.
    """
    place, old_place = "src/my_pipeline/contract.py", "src/my_pipeline/schemas.py"
    ours, theirs = "LATE_SHARES = (0.02, 0.98)", "LATE_SHARES = (0.01, 0.99)"
    project = releases.project(tmp_path / "project", BEFORE, door)
    change(project / old_place, theirs, ours)
    releases.shell.commit(project, "Ours")
    project_that_moves = releases.project(tmp_path / "moves", BEFORE, door)
    change(project_that_moves / old_place, theirs, ours)
    releases.shell("git", "mv", old_place, place, cwd=project_that_moves)
    releases.shell.commit(project_that_moves, "Ours, at its new place")

    releases.update(project, "--vcs-ref", NOW)
    assert not releases.conflicts(project)
    assert not different(project, releases.rendered(NOW))
    releases.shell("git", "add", "--all", cwd=project)
    shown = releases.shell("git", "diff", "--cached", "-M", "--diff-filter=DR", cwd=project).stdout
    assert f"rename from {old_place}\nrename to {place}\n" in shown
    assert f"\n-{ours}\n+{theirs}\n" in shown

    releases.update(project_that_moves, "--vcs-ref", NOW)
    assert releases.conflicts(project_that_moves) == [place]
    assert (f"<<<<<<< before updating\n{ours}\n=======\n{theirs}\n>>>>>>> after updating\n") in (
        project_that_moves / place
    ).read_text(encoding="utf-8")
    seen = "edits lost without a mark; marked after `git mv`"
    record(UPDATES, row("the release before", MOVED), DOORS[door], seen)


def test_a_release_can_be_left_out(releases: Releases, tmp_path: Path) -> None:
    project = releases.project(tmp_path / "project", BEFORE)
    said = releases.update(project)
    assert not different(project, releases.rendered(AFTER))
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


def test_what_goes_is_known(releases: Releases) -> None:
    assert removed(releases, BEFORE, "prefect") == {"src/my_pipeline/schemas.py"}


MESSAGE: str = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))[
    "_message_after_update"
].replace("{{{ 'compile ' if orchestrator == 'kubeflow' else '' }}}", "")

NONE = pytest.param(
    "", marks=pytest.mark.skip("no tag v* is here: there was no release, or the clone is shallow")
)


@pytest.mark.parametrize("tag", tags() or [NONE])
@pytest.mark.parametrize("orchestrator", ["prefect", "airflow", "kubeflow"])
def test_from_each_release_there_was(
    releases: Releases, tmp_path: Path, tag: str, orchestrator: str
) -> None:
    """What it loses is named in CHANGELOG.md, as no mark shows it; edits stay, the rest is new."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    lost = removed(releases, tag, orchestrator)
    assert not [name for name in lost if Path(name).name not in changelog]
    project = releases.project(tmp_path / "project", tag, orchestrator=orchestrator)
    (project / "src/my_pipeline/steps/own.py").write_text("# ours\n")
    readme = (project / "README.md").read_text(encoding="utf-8")
    (project / "README.md").write_text("Ours.\n\n" + readme, encoding="utf-8")
    releases.shell.commit(project, "Ours")
    releases.update(project, "--vcs-ref", NOW)
    assert not releases.conflicts(project)
    fresh = releases.rendered(NOW, orchestrator=orchestrator)
    assert different(project, fresh) == {"src/my_pipeline/steps/own.py", "README.md"}
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
