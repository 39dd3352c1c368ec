"""Releases of the template, projects made from them, and `copier update` from one to the next.

Releases before the working tree are its tags `v*`, where there are any, and a made-up one, in
which what is new in the tree is undone. The one after it is made up, too: it changes lines that
people edit.
"""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.shell import ROOT, TREE, Shell, copy_template

PACKAGE = f"{TREE}/src/{{{{{{cookiecutter.package_name}}}}}}"
LAST_LINE = "THE END IN THE RELEASE AFTER.\n"
BEFORE, NOW, AFTER = "v0.0.1", "v1000.0.0", "v1000.1.0"
"""The made-up release before all others, the working tree, and the made-up one after it."""


def change(file: Path, old: str, new: str, count: int = 1) -> None:
    """Replace a text that stands in a file exactly `count` times."""
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == count, f"{file.name} has {old!r} {text.count(old)} times"
    file.write_text(text.replace(old, new), encoding="utf-8")


def cut(file: Path, first: str, following: str) -> None:
    """Remove the lines from the one that begins with `first` up to one with `following`."""
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    begin = next(n for n, line in enumerate(lines) if line.startswith(first))
    end = next(n for n in range(begin + 1, len(lines)) if lines[n].startswith(following))
    file.write_text("".join(lines[:begin] + lines[end:]), encoding="utf-8")


def limit_checks(folder: Path, minutes: int) -> None:
    """Change the time limit of the first job of ci.yml."""
    file = folder / ".github/workflows/ci.yml"
    text = file.read_text(encoding="utf-8")
    limited, count = re.subn(
        r"(name: Lint, types, tests\n.*\n    timeout-minutes: )\d+", rf"\g<1>{minutes}", text
    )
    assert count == 1
    file.write_text(limited, encoding="utf-8")


def make_older(template: Path) -> None:
    """Undo monitoring and its question, a target of make, a module's name, dates and defaults."""
    tree = template / TREE
    questions = json.loads((template / "cookiecutter.json").read_text(encoding="utf-8"))
    del questions["monitoring"], questions["__prompts__"]["monitoring"]
    questions["__prometheus"] = ".drop-"
    (template / "cookiecutter.json").write_text(json.dumps(questions, indent=2), encoding="utf-8")
    copier = template / "copier.yml"
    cut(copier, "monitoring:", "python_version:")
    cut(copier, "    monitoring: ", "    python_version: ")
    derived = "{{{ yaml('' if monitoring == 'prometheus' else '.drop-') }}}"
    change(copier, f"__prometheus: {derived}", "__prometheus: '.drop-'")
    cut(tree / ".copier-answers.yml", "monitoring: ", "python_version: ")
    for file in tree.rglob("*"):
        if file.is_file() and file.suffix != ".png":
            text = file.read_text(encoding="utf-8")
            older = text.replace("cookiecutter.monitoring", '"none"')
            older = re.sub(r"\.contract(?= import)", ".schemas", older)
            file.write_text(older, encoding="utf-8")
    (template / PACKAGE / "contract.py").rename(template / PACKAGE / "schemas.py")
    change(tree / "dvc.yaml", "${src}/contract.py", "${src}/schemas.py", count=3)
    cut(tree / "Makefile", "doctor: setup", "alert-test: setup")
    change(tree / "Makefile", " prune doctor ", " prune ")
    pyproject = tree / "pyproject.toml"
    change(pyproject, '"polars>=1.44,<2"', '"polars>=1.40,<2"')
    older_date = 'exclude-newer = "2026-09-15T00:00:00Z"'
    text = pyproject.read_text(encoding="utf-8")
    pyproject.write_text(re.sub(r'exclude-newer = ".*"', older_date, text), encoding="utf-8")
    change(tree / "params.yaml", "min_samples_leaf: 50", "min_samples_leaf: 40")
    limit_checks(tree, 20)


def make_newer(template: Path) -> None:
    """Change lines, or add some, in files that people edit; add a file."""
    tree = template / TREE
    change(tree / "Makefile", "pytest -n auto", "pytest --durations 3 -n auto")
    pyproject = tree / "pyproject.toml"
    change(pyproject, '"polars>=1.44,<2"', '"polars>=1.44.1,<2"')
    joblib = '  "joblib>=1.5",              # writes models\n'
    change(pyproject, '  "matplotlib>=3.10", ', joblib + '  "matplotlib>=3.10", ')
    limit_checks(tree, 45)
    change(tree / "params.yaml", "min_samples_leaf: 50", "min_samples_leaf: 60")
    change(
        template / PACKAGE / "steps/train.py", "fitted on %d rows", "fitted the model on %d rows"
    )
    pipeline = tree / "{{{cookiecutter.__kubeflow}}}kubeflow/pipeline.py"
    change(pipeline, "data contract: good or bad.", "data contract, and say good or bad.")
    for flag in ("mit", "apache"):
        licence = tree / f"{{{{{{cookiecutter.__{flag}}}}}}}LICENSE"
        lines = licence.read_text(encoding="utf-8").splitlines(keepends=True)
        licence.write_text("".join([*lines[:-1], LAST_LINE]), encoding="utf-8")
    (tree / "docs/new.md").write_text("{{{ cookiecutter.__project_name_markdown }}}\n")


def tags() -> list[str]:
    """Return the template's own releases, the oldest first; a shallow clone knows of none."""
    command = ["git", "-C", str(ROOT), "tag", "--list", "v*", "--sort", "version:refname"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@dataclass(frozen=True)
class Releases:
    """All of them, as tags of the template that the shell's address names."""

    shell: Shell

    def make(self) -> None:
        """Commit and tag one after the other."""
        template = self.shell.home / "template"
        copy_template(template)
        make_older(template)
        self.shell.commit(template, "The release before", tag=BEFORE)
        for tag in tags():
            empty(template)
            archive = self.shell.home / f"{tag}.tar"
            self.shell("git", "archive", "-o", archive, tag, cwd=ROOT)
            shutil.unpack_archive(archive, template)
            self.shell.commit(template, tag, tag=tag)
        empty(template)
        copy_template(template)
        self.shell.commit(template, "The working tree", tag=NOW)
        make_newer(template)
        self.shell.commit(template, "The release after", tag=AFTER)

    def rendered(self, tag: str, door: str = "copier", **answers: str) -> Path:
        """Return a project of a release as it was rendered, to look at."""
        out = self.shell.home / "-".join(["rendered", tag, door, *answers.values()])
        if not out.exists():
            if door == "cookiecutter":
                done = self.shell.cookiecutter(out, "-c", tag, **answers)
            else:
                done = self.shell.copier(out / "my-pipeline", "-r", tag, **answers)
            assert done.returncode == 0, done.stdout + done.stderr
            self.shell.commit(out / "my-pipeline", "Rendered")
        return out / "my-pipeline"

    def project(self, folder: Path, tag: str, door: str = "copier", **answers: str) -> Path:
        """Make a project of a release, all of it committed."""
        self.shell("git", "clone", "-q", self.rendered(tag, door, **answers), folder)
        return folder

    def update(self, project: Path, *words: str) -> str:
        """Take a later release; return what Copier said."""
        done = self.shell("copier", "update", "--defaults", *words, cwd=project)
        assert not list(project.rglob("*.rej"))
        assert not list(project.rglob(".drop-*"))
        return done.stderr

    def conflicts(self, project: Path) -> list[str]:
        """Return the files that git knows to have conflicts; no other one has marks."""
        said = self.shell("git", "diff", "--name-only", "--diff-filter=U", cwd=project).stdout
        marked = self.shell("git", "grep", "-l", "^<<<<<<<", cwd=project, ok=False).stdout
        assert said == marked
        return said.split()


def empty(template: Path) -> None:
    """Leave nothing but the history."""
    for entry in template.iterdir():
        if entry.name != ".git":
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def different(one: Path, other: Path) -> set[str]:
    """Return the files that two folders do not have alike, git's own left aside."""
    files = [
        {str(file.relative_to(folder)) for file in folder.rglob("*") if not file.is_dir()}
        for folder in (one, other)
    ]
    return {
        name
        for name in files[0] | files[1]
        if not name.startswith(".git/")
        and (
            name not in files[0] & files[1]
            or (one / name).read_bytes() != (other / name).read_bytes()
        )
    }
