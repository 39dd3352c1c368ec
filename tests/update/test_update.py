"""`copier update`, without `--trust`: changed answers, deleted files, other templates.

Projects of both front ends are the same, byte for byte; `test_releases.py` updates both.
"""

import shutil
from pathlib import Path

import pytest
import yaml

from tests.shell import ADDRESS, TREE
from tests.update.releases import (
    AFTER,
    LAST_LINE,
    NOW,
    RUNTIME,
    Releases,
    append,
    different,
)


@pytest.fixture
def project(releases: Releases, tmp_path: Path) -> Path:
    """Return a project of the working tree."""
    return releases.project(tmp_path / "my-pipeline", NOW)


def answers(project: Path) -> dict[str, str]:
    read: dict[str, str] = yaml.safe_load((project / ".copier-answers.yml").read_text())
    return read


def test_answers_can_change(project: Path, releases: Releases) -> None:
    releases.update(project, "--data", "license=Apache-2.0", "--data", "python_version=3.13")
    assert "Apache License" in (project / "LICENSE").read_text()
    assert (project / "LICENSE").read_text().endswith(LAST_LINE)
    assert answers(project)["_src_path"] == ADDRESS
    assert answers(project)["license"] == "Apache-2.0"
    assert answers(project)["python_version"] == "3.13"


def test_the_orchestrator_can_change(project: Path, releases: Releases) -> None:
    """The files of the former one go; edits of files that both have stay."""
    edited = [project / RUNTIME, project / "src/my_pipeline/model.py"]
    for file in edited:
        append(file, "# Ours.\n")
    releases.shell.commit(project, "Edited")
    releases.update(project, "--data", "orchestrator=airflow")
    assert (project / "dags/training.py").exists()
    left = [path for path in project.rglob("*prefect*") if ".git" not in path.parts]
    assert not left
    assert not (project / "flows").exists()
    assert all(file.read_text(encoding="utf-8").endswith("# Ours.\n") for file in edited)
    assert not releases.conflicts(project)


DECLINED = {"delivery": "none", "stack": "none", "monitoring": "none", "versioning": "none"}
DEFAULTS = {
    "delivery": "github", "stack": "compose", "monitoring": "prometheus", "versioning": "dvc"
}  # fmt: skip


def test_what_was_declined_can_be_taken(releases: Releases, tmp_path: Path) -> None:
    project = releases.project(tmp_path / "my-pipeline", NOW, **DECLINED)
    releases.update(project, "-r", NOW, *(f"--data={name}={a}" for name, a in DEFAULTS.items()))
    assert different(project, releases.rendered(NOW)) == set()


@pytest.mark.matrix
def test_what_was_taken_can_be_declined(project: Path, releases: Releases) -> None:
    """Files and lines that the team added stay."""
    own = project / ".github/workflows/own.yml"
    own.write_text("name: Ours\n")
    append(project / "Makefile", "# Ours.\n")
    releases.shell.commit(project, "Edited")
    releases.update(project, "-r", NOW, *(f"--data={name}={a}" for name, a in DECLINED.items()))
    assert not releases.conflicts(project)
    assert different(project, releases.rendered(NOW, **DECLINED)) == {
        ".github/workflows/own.yml",
        "Makefile",
    }
    assert (project / "Makefile").read_text(encoding="utf-8").endswith("# Ours.\n")


def test_a_database_can_become_the_source(project: Path, releases: Releases) -> None:
    """The queries are the team's: the sample's do not come with the update."""
    releases.update(project, "--data", "source=sql")
    assert (project / "src/my_pipeline/runtime/source/sql.py").exists()
    assert not list(project.glob("src/my_pipeline/queries/*"))
    assert "source: sqlite:///data/source.db " in (project / "params.yaml").read_text()


def test_a_bad_answer_is_refused_and_changes_nothing(project: Path, releases: Releases) -> None:
    shell = releases.shell
    done = shell(
        "copier", "update", "--defaults", "--data", "package_name=prefect", cwd=project, ok=False
    )
    assert done.returncode == 1
    assert 'package_name "prefect" would hide' in done.stderr.splitlines()[-1]
    assert shell("git", "status", "--porcelain", cwd=project).stdout == ""


def test_what_was_deleted_stays_deleted(project: Path, releases: Releases) -> None:
    shell = releases.shell
    (project / "LICENSE").unlink()
    shell.commit(project, "No licence")
    releases.update(project)
    assert not (project / "LICENSE").exists()


def test_hostile_answers_survive(releases: Releases, tmp_path: Path) -> None:
    shell = releases.shell
    text = r"""a "b" \n '{{ c }}' {{{ d }}} {% e %} # """ + "\U0001f680"
    shell.cookiecutter(tmp_path, "-c", NOW, description=text, author_name=text)
    project = tmp_path / "my-pipeline"
    shell.commit(project, "Rendered")
    releases.update(project)
    assert answers(project)["description"] == answers(project)["author_name"] == text
    assert f"Copyright (c) {text}\n" in (project / "LICENSE").read_text()


@pytest.mark.parametrize(
    "front_end", ["cookiecutter", pytest.param("copier", marks=pytest.mark.matrix)]
)
def test_a_template_in_a_folder(front_end: str, releases: Releases, tmp_path: Path) -> None:
    """From inside a clone, `.` is the template: the project must find it from its own folder."""
    shell = releases.shell
    clone = tmp_path / "clone"
    shell("git", "clone", "-q", "-b", NOW, shell.home / "template", clone)
    if front_end == "cookiecutter":
        shell("cookiecutter", ".", "--no-input", "-o", "..", cwd=clone)
    else:
        shell("copier", "copy", "-q", "--defaults", "-r", "HEAD", ".", "../my-pipeline", cwd=clone)
    assert shell("git", "status", "--porcelain", cwd=clone).stdout == ""  # unchanged
    project = tmp_path / "my-pipeline"
    assert answers(project)["_src_path"] == str(clone.resolve())
    shell.commit(project, "Rendered")
    releases.update(project)
    assert (project / "LICENSE").read_text().endswith(LAST_LINE)


@pytest.mark.matrix
def test_a_version_between_two_tags(releases: Releases, tmp_path: Path) -> None:
    shell = releases.shell
    clone = tmp_path / "clone"
    shell("git", "clone", "-q", "-b", NOW, shell.home / "template", clone)
    (clone / TREE / "extra.txt").write_text("extra\n")
    shell.commit(clone, "Between")
    shell("cookiecutter", clone, "--no-input", "-o", tmp_path)
    project = tmp_path / "my-pipeline"
    assert answers(project)["_commit"].startswith(f"{NOW}-1-g")
    shell.commit(project, "Rendered")
    releases.update(project)
    assert answers(project)["_commit"] == AFTER


@pytest.mark.parametrize("packed", [pytest.param(True, marks=pytest.mark.matrix), False])
def test_a_template_without_history(releases: Releases, tmp_path: Path, packed: bool) -> None:
    """A zip renders. Its message says what an upgrade needs; with that, the upgrade works."""
    shell = releases.shell
    folder = tmp_path / "ml-pipeline-template-1.0.0"
    shell("git", "clone", "-q", "-b", NOW, shell.home / "template", folder)
    shutil.rmtree(folder / ".git")
    shell("git", "init", "-q", cwd=tmp_path)  # not to be taken for the template's history
    shell("git", "commit", "-q", "--allow-empty", "-m", "Other", cwd=tmp_path)
    source = folder
    if packed:
        source = Path(shutil.make_archive(str(folder), "zip", tmp_path, folder.name))
    done = shell("cookiecutter", source, "--no-input", "-o", tmp_path / "out")
    assert "without its git history" in done.stderr
    assert "_src_path" in done.stderr
    assert "_commit" in done.stderr
    project = tmp_path / "out" / "my-pipeline"
    assert "_commit" not in answers(project)
    assert answers(project)["_src_path"] == str(source)
    if not packed:
        shell("copier", "copy", "-q", "--defaults", folder, tmp_path / "copied")
        written = [(p / ".copier-answers.yml").read_bytes() for p in (project, tmp_path / "copied")]
        assert written[0] == written[1]

    # As the message says:
    file = project / ".copier-answers.yml"
    text = file.read_text().replace(str(source), ADDRESS)
    file.write_text(text.replace("_src_path", f"_commit: {NOW}\n_src_path"))
    shell.commit(project, "Rendered")
    releases.update(project)
    assert (project / "LICENSE").read_text().endswith(LAST_LINE)


def test_check_update_reports_newer_releases(project: Path, releases: Releases) -> None:
    shell = releases.shell
    check = ("copier", "check-update", "--quiet")
    assert shell(*check, cwd=project, ok=False).returncode == 2
    releases.update(project)
    shell.commit(project, "Updated")
    shell(*check, cwd=project)
