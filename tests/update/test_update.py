"""A project made through either door takes `copier update`, with no `--trust`."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.shell import ADDRESS, TREE, Shell

# `docs/new.md` is new in v1.1.0; both licences change in their last line; a question is added.
LAST_LINE = "THE END IN VERSION 1.1.0.\n"


@pytest.fixture(scope="module")
def shell(make_shell: Callable[[], Shell]) -> Shell:
    """Give a template with the versions v1.0.0 and v1.1.0."""
    shell = make_shell()
    template = shell.home / "template"
    for flag in ("mit", "apache"):
        licence = template / TREE / f"{{{{{{cookiecutter.__{flag}}}}}}}LICENSE"
        lines = licence.read_text().splitlines(keepends=True)
        licence.write_text("".join([*lines[:-1], LAST_LINE]))
    new = template / TREE / "docs" / "new.md"
    new.parent.mkdir(exist_ok=True)
    new.write_text("{{{ cookiecutter.__project_name_markdown }}}\n")
    shell.commit(template, "Second version", tag="v1.1.0")
    return shell


@pytest.fixture(params=["cookiecutter", "copier"])
def project(request: pytest.FixtureRequest, shell: Shell, tmp_path: Path) -> Path:
    """Give a project of v1.0.0, made through either door and committed."""
    folder = tmp_path / "my-pipeline"
    if request.param == "cookiecutter":
        done = shell.cookiecutter(tmp_path, "-c", "v1.0.0")
    else:
        done = shell.copier(folder, "-r", "v1.0.0")
    assert done.returncode == 0, done.stdout + done.stderr
    shell.commit(folder, "Rendered")
    return folder


def answers(project: Path) -> dict[str, str]:
    read: dict[str, str] = yaml.safe_load((project / ".copier-answers.yml").read_text())
    return read


def edit(project: Path, shell: Shell, old: str, new: str) -> None:
    licence = project / "LICENSE"
    assert old in licence.read_text()
    licence.write_text(licence.read_text().replace(old, new))
    shell.commit(project, "Edited")


def update(project: Path, shell: Shell, *words: str) -> None:
    shell("copier", "update", "--defaults", *words, cwd=project)
    assert not list(project.rglob("*.rej"))
    assert not list(project.rglob(".drop-*"))


def test_edits_are_merged(project: Path, shell: Shell) -> None:
    assert answers(project)["_src_path"] == ADDRESS
    assert answers(project)["_commit"] == "v1.0.0"
    edit(project, shell, "MIT License", "My licence")
    update(project, shell)
    text = (project / "LICENSE").read_text()
    assert text.startswith("My licence")
    assert text.endswith(LAST_LINE)
    assert (project / "docs/new.md").read_text() == "My Pipeline\n"
    assert answers(project)["_commit"] == "v1.1.0"
    status = shell("git", "status", "--porcelain", cwd=project).stdout
    assert sorted(line[3:] for line in status.splitlines())[:2] == [
        ".copier-answers.yml",
        "LICENSE",
    ]


def test_a_conflict_is_shown_in_the_file(project: Path, shell: Shell) -> None:
    edit(project, shell, "SOFTWARE.\n", "software.\n")
    update(project, shell)
    text = (project / "LICENSE").read_text()
    assert "<<<<<<< before updating\n" in text
    assert f"=======\n{LAST_LINE}" in text
    assert "UU LICENSE" in shell("git", "status", "--porcelain", cwd=project).stdout


def test_an_answer_can_change(project: Path, shell: Shell) -> None:
    update(project, shell, "--data", "license=Apache-2.0", "--data", "python_version=3.13")
    assert "Apache License" in (project / "LICENSE").read_text()
    assert (project / "LICENSE").read_text().endswith(LAST_LINE)
    assert answers(project)["license"] == "Apache-2.0"
    assert answers(project)["python_version"] == "3.13"


@pytest.mark.parametrize(
    ("orchestrator", "file"),
    [("airflow", "dags/training.py"), ("kubeflow", "kubeflow/pipeline.py")],
)
def test_the_orchestrator_can_change(
    project: Path, shell: Shell, orchestrator: str, file: str
) -> None:
    """What belongs to the former one goes, the edits of what both have stay."""
    steps = project / "src/my_pipeline/steps/train.py"
    steps.write_text(steps.read_text() + "\n# mine\n")
    shell.commit(project, "Edited")
    update(project, shell, "--data", f"orchestrator={orchestrator}")
    assert (project / file).exists()
    assert (project / "scripts/local.py").exists()
    left = [path for path in project.rglob("*prefect*") if ".git" not in path.parts]
    assert not left
    assert not (project / "flows").exists()
    assert steps.read_text().endswith("# mine\n")
    assert "<<<<<<<" not in (project / "pyproject.toml").read_text()
    fresh = shell.home / "fresh" / project.parent.name
    assert shell.copier(fresh, orchestrator=orchestrator).returncode == 0
    for name in ("Makefile", "pyproject.toml", "README.md", ".gitignore", "tests/orchestrator.py"):
        assert (project / name).read_text() == (fresh / name).read_text(), name


def test_a_bad_answer_is_refused_and_changes_nothing(project: Path, shell: Shell) -> None:
    done = shell(
        "copier", "update", "--defaults", "--data", "package_name=prefect", cwd=project, ok=False
    )
    assert done.returncode == 1
    assert 'package_name "prefect" would hide' in done.stderr.splitlines()[-1]
    assert shell("git", "status", "--porcelain", cwd=project).stdout == ""


def test_what_was_deleted_stays_deleted(project: Path, shell: Shell) -> None:
    (project / "LICENSE").unlink()
    shell.commit(project, "No licence")
    update(project, shell)
    assert not (project / "LICENSE").exists()


def test_recopy_starts_over(project: Path, shell: Shell) -> None:
    edit(project, shell, "MIT License", "My licence")
    shell("copier", "recopy", "--defaults", "--overwrite", cwd=project)
    assert (project / "LICENSE").read_text().startswith("MIT License")


def test_hostile_answers_survive(shell: Shell, tmp_path: Path) -> None:
    text = r"""a "b" \n '{{ c }}' {{{ d }}} {% e %} # """ + "\U0001f680"
    shell.cookiecutter(tmp_path, "-c", "v1.0.0", description=text, author_name=text)
    project = tmp_path / "my-pipeline"
    shell.commit(project, "Rendered")
    update(project, shell)
    assert answers(project)["description"] == answers(project)["author_name"] == text
    assert f"Copyright (c) {text}\n" in (project / "LICENSE").read_text()


@pytest.mark.parametrize("door", ["cookiecutter", "copier"])
def test_a_template_in_a_folder(door: str, shell: Shell, tmp_path: Path) -> None:
    """From inside a clone, `.` is the template: the project must find it from where it is."""
    clone = tmp_path / "clone"
    shell("git", "clone", "-q", "-b", "v1.0.0", shell.home / "template", clone)
    if door == "cookiecutter":
        shell("cookiecutter", ".", "--no-input", "-o", "..", cwd=clone)
    else:
        shell("copier", "copy", "-q", "--defaults", "-r", "HEAD", ".", "../my-pipeline", cwd=clone)
    assert shell("git", "status", "--porcelain", cwd=clone).stdout == ""  # left as it was
    project = tmp_path / "my-pipeline"
    assert answers(project)["_src_path"] == str(clone.resolve())
    shell.commit(project, "Rendered")
    update(project, shell)
    assert (project / "LICENSE").read_text().endswith(LAST_LINE)


def test_a_version_between_two_tags(shell: Shell, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    shell("git", "clone", "-q", "-b", "v1.0.0", shell.home / "template", clone)
    (clone / TREE / "extra.txt").write_text("extra\n")
    shell.commit(clone, "Between")
    shell("cookiecutter", clone, "--no-input", "-o", tmp_path)
    project = tmp_path / "my-pipeline"
    assert answers(project)["_commit"].startswith("v1.0.0-1-g")
    shell.commit(project, "Rendered")
    update(project, shell)
    assert answers(project)["_commit"] == "v1.1.0"


@pytest.mark.parametrize("packed", [True, False])
def test_a_template_without_history(shell: Shell, tmp_path: Path, packed: bool) -> None:
    """A zip renders; it says what an upgrade needs, and with that it works."""
    folder = tmp_path / "ml-pipeline-template-1.0.0"
    shell("git", "clone", "-q", "-b", "v1.0.0", shell.home / "template", folder)
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

    # As it says:
    file = project / ".copier-answers.yml"
    told = file.read_text().replace(str(source), ADDRESS)
    file.write_text(told.replace("_src_path", "_commit: v1.0.0\n_src_path"))
    shell.commit(project, "Rendered")
    update(project, shell)
    assert (project / "LICENSE").read_text().endswith(LAST_LINE)


def test_an_up_to_date_project_is_known_as_such(project: Path, shell: Shell) -> None:
    check = ("copier", "check-update", "--quiet")
    assert shell(*check, cwd=project, ok=False).returncode == 2
    update(project, shell)
    shell.commit(project, "Updated")
    shell(*check, cwd=project)
