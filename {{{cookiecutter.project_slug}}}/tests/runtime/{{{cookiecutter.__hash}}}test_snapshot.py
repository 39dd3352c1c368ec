"""The version of data is a hash of them."""

import hashlib
from pathlib import Path

from {{{ cookiecutter.package_name }}}.runtime.files import read_json
from {{{ cookiecutter.package_name }}}.runtime.results import Snapshot
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import Run, RunDir

from .conftest import P, Project


def version_of(run: Run) -> str:
    return read_json(RunDir(run).snapshot, Snapshot).data_version


def test_the_version_can_be_computed_with_sha256sum(project: Project) -> None:
    """In the folder `raw`: `find * -type f | LC_ALL=C sort | xargs sha256sum | sha256sum`."""
    run = project.work(P[6], last="snapshot")
    raw = Path(run.folder) / "raw"
    files = {file.relative_to(raw).as_posix(): file for file in raw.rglob("*") if file.is_file()}
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {name}\n"
        for name, file in sorted(files.items())
    ]
    assert version_of(run) == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_the_raw_files_of_a_run_are_a_source(project: Project) -> None:
    run = project.work(P[6], last="snapshot")
    project.tune(source=str(RunDir(run).raw))
    assert project.plan(P[6]) == run
