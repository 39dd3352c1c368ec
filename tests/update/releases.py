"""Releases of the template, projects made from them, and `copier update` from one to the next.

Releases before the working tree are its tags `v*`, if there are any, and a synthetic one, which
undoes what is new in the tree. The one after it is synthetic, too: it changes lines that people
edit.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.ownership import team_files
from tests.shared import once
from tests.shell import ROOT, TREE, Shell, change, copy_template

PACKAGE = "{{{cookiecutter.package_name}}}"
LAST_LINE = "THE END IN THE RELEASE AFTER.\n"
OLDER_DATE = "2026-09-15T00:00:00Z"
NEWER = "# Newer.\n"
"""The last line of files in the release after: all of the team's, and others that people edit."""
RUNTIME = "src/my_pipeline/runtime/steps/train.py"
"""A file of the runtime whose first line the release after changes."""
MOVED = "src/my_pipeline/runtime/steps/quarantine.py"
MOVED_FROM = "src/my_pipeline/runtime/steps/isolate.py"
"""A file of the runtime, and its place in the release before."""
COMPILED = "Newer than what is compiled."
"""A sentence that Kubeflow's compiled pipeline has in the release after."""
CI = ".github/workflows/ci.yml"
MERGED = ["params.yaml", "pyproject.toml", "README.md", "dvc.yaml", "Makefile"]
FLAGS = {"dvc.yaml": "__dvc", ".github": "__github"}
"""The flag that such a file or folder has in the tree."""
GRAPHS = {"prefect": "flows", "airflow": "dags", "kubeflow": "pipelines"}
BEFORE, NOW, AFTER = "v0.0.1", "v1000.0.0", "v1000.1.0"
"""The synthetic release before all others, the working tree, and the synthetic one after it."""


def cut(file: Path, first: str, following: str) -> None:
    """Remove the lines from the one that begins with `first` up to one with `following`."""
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    begin = next(n for n, line in enumerate(lines) if line.startswith(first))
    end = next(n for n in range(begin + 1, len(lines)) if lines[n].startswith(following))
    file.write_text("".join(lines[:begin] + lines[end:]), encoding="utf-8")


def replace(file: Path, pattern: str, new: str) -> None:
    """Replace what a regular expression finds first."""
    text, count = re.subn(pattern, new, file.read_text(encoding="utf-8"), count=1)
    assert count, f"{file.name} has no {pattern!r}"
    file.write_text(text, encoding="utf-8")


def append(file: Path, line: str) -> None:
    """Add a line at the end."""
    with file.open("a", encoding="utf-8") as opened:
        opened.write(line)


def rename(tree: Path, old: str, new: str) -> None:
    """Move a file of the package; imports of it stay unchanged."""
    (tree / in_tree(old)).rename(tree / in_tree(new))


def in_tree(name: str) -> str:
    """Return the place in the tree of a file of a project."""
    flag = FLAGS.get(name.partition("/")[0])
    return (f"{{{{{{cookiecutter.{flag}}}}}}}" if flag else "") + name.replace(
        "my_pipeline", PACKAGE
    )


def prepend(file: Path, line: str) -> None:
    """Add a line at the beginning."""
    file.write_text(line + file.read_text(encoding="utf-8"), encoding="utf-8")


def limit_checks(file: Path, minutes: int) -> None:
    """Change the time limit of the first job of ci.yml."""
    replace(file, r"timeout-minutes: \d+", f"timeout-minutes: {minutes}")


def make_older(template: Path) -> None:
    """Undo monitoring and its question, a file's name, dates and defaults."""
    tree = template / TREE
    questions = template / "questions/questions.yml"
    cut(questions, "  monitoring:", "  delivery:")
    change(questions, "prometheus: monitoring == 'prometheus'", "prometheus: false")
    cut(tree / ".copier-answers.yml", "monitoring: ", "delivery: ")
    for file in tree.rglob("*"):
        if file.is_file() and file.suffix != ".png":
            text = file.read_text(encoding="utf-8")
            file.write_text(text.replace("cookiecutter.monitoring", '"none"'), encoding="utf-8")
    rename(tree, MOVED, MOVED_FROM)
    replace(tree / "pyproject.toml", r'"polars>=[\d.]+', '"polars>=1.40')
    replace(tree / "pyproject.toml", "exclude-newer = .*", f'exclude-newer = "{OLDER_DATE}"')
    replace(tree / "params.yaml", r"min_samples_leaf: \d+", "min_samples_leaf: 40")
    limit_checks(tree / in_tree(CI), 20)


def make_newer(template: Path) -> None:
    """Change lines, or add some, in files that people edit; add files, one of them the team's."""
    tree = template / TREE
    (tree / "tests/test_newer.py").write_text("")
    (tree / "docs/new.md").write_text("{{{ cookiecutter.__project_name_markdown }}}\n")
    for name in [*team_files(tree), *MERGED]:
        append(tree / in_tree(name), NEWER)
    for orchestrator, folder in GRAPHS.items():
        for file in (tree / f"{{{{{{cookiecutter.__{orchestrator}}}}}}}{folder}").glob("*.py"):
            append(file, NEWER)
    pipeline = tree / "{{{cookiecutter.__kubeflow}}}pipelines/training.py"
    replace(pipeline, r'(def training\(.*\n    """)', rf"\1{COMPILED} ")
    replace(tree / in_tree(RUNTIME), r'\A""".*', '"""Newer."""')
    replace(tree / "pyproject.toml", r'"polars>=[\d.]+', '"polars>=1.44.1')
    replace(tree / "params.yaml", r"min_samples_leaf: \d+", "min_samples_leaf: 60")
    limit_checks(tree / in_tree(CI), 45)
    for flag in ("mit", "apache"):
        licence = tree / f"{{{{{{cookiecutter.__{flag}}}}}}}LICENSE"
        lines = licence.read_text(encoding="utf-8").splitlines(keepends=True)
        licence.write_text("".join([*lines[:-1], LAST_LINE]), encoding="utf-8")


def tags() -> list[str]:
    """Return the template's own releases, the oldest first; a shallow clone has none."""
    command = ["git", "-C", str(ROOT), "tag", "--list", "v*", "--sort", "version:refname"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@dataclass(frozen=True)
class Releases:
    """All releases, as tags of the template at the shell's address."""

    shell: Shell

    def make(self) -> None:
        """Commit and tag one after the other."""
        template = self.shell.home / "template"
        copy_template(template)
        make_older(template)
        self.shell(sys.executable, "-m", "questions.generate", cwd=template)
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

    def rendered(self, tag: str, front_end: str = "copier", **answers: str) -> Path:
        """Return an unchanged project of a release, to compare with."""
        out = self.shell.home / "-".join(
            ["rendered", tag, front_end, *(f"{q}={a}" for q, a in answers.items())]
        )
        once(out, lambda: self.render(out, tag, front_end, **answers))
        return out / "my-pipeline"

    def render(self, out: Path, tag: str, front_end: str, **answers: str) -> None:
        """Render a release into a folder of `out`, and commit it."""
        if front_end == "cookiecutter":
            done = self.shell.cookiecutter(out, "-c", tag, **answers)
        else:
            done = self.shell.copier(out / "my-pipeline", "-r", tag, **answers)
        assert done.returncode == 0, done.stdout + done.stderr
        self.shell.commit(out / "my-pipeline", "Rendered")

    def project(self, folder: Path, tag: str, front_end: str = "copier", **answers: str) -> Path:
        """Make a project of a release, all of it committed."""
        self.shell("git", "clone", "-q", self.rendered(tag, front_end, **answers), folder)
        return folder

    def update(self, project: Path, *words: str) -> str:
        """Update to a later release; return what Copier printed."""
        done = self.shell("copier", "update", "--defaults", *words, cwd=project)
        assert not list(project.rglob("*.rej"))
        assert not list(project.rglob(".drop-*"))
        return done.stderr

    def conflicts(self, project: Path) -> list[str]:
        """Return the files with conflicts in git; check that no other file has marks."""
        said = self.shell("git", "diff", "--name-only", "--diff-filter=U", cwd=project).stdout
        marked = self.shell("git", "grep", "-l", "^<<<<<<<", cwd=project, ok=False).stdout
        assert said == marked
        return said.split()


def empty(template: Path) -> None:
    """Remove all changes that are not committed."""
    for entry in template.iterdir():
        if entry.name != ".git":
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def different(one: Path, other: Path) -> set[str]:
    """Return the files that differ between two folders, without git's own."""
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
