"""What CI does in a fresh clone of a project whose team has its own data, and no sample."""

import shutil
from pathlib import Path

import pytest
import yaml

from tests.projects import Project, clone

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("team ci data")]

SMALL = """
from pathlib import Path
import polars as pl
for file in Path("data/source").rglob("*.parquet"):
    if "month=" not in str(file) or file.parent.name >= "month=2013-10":
        small = Path("tests") / file
        small.parent.mkdir(parents=True)
        rows = pl.read_parquet(file)
        (rows.gather_every(8) if small.name == "flights.parquet" else rows).write_parquet(small)
"""
NO_CREDENTIALS = """#!/bin/sh
case "$*" in
*"--downstream validate"*) echo "Stage 'validate' didn't change, skipping"; echo "$STALE";;
*repro*) echo "ERROR: failed to reproduce 'ingest': Unable to locate credentials"; exit 255;;
esac
"""


@pytest.fixture
def own(project: Project, tmp_path: Path) -> Project:
    """Return a fresh clone of a project whose team has deleted the sample, and committed so."""
    before = clone(project, tmp_path / "before" / "my-pipeline")
    shutil.rmtree(before.folder / "data")
    (before.folder / "src/my_pipeline/sample.py").unlink()
    before.shell.commit(before.folder, "Delete the sample")
    (before.folder / "data/source").mkdir(parents=True)  # git does not keep it
    after = clone(before, tmp_path / "my-pipeline")
    shutil.rmtree(after.folder / "data")
    return after


def test_a_source_that_git_does_not_keep_is_named(own: Project) -> None:
    said = own.make("run", ok=False)
    assert "error: The source data/source has no month of flights" in said
    assert "Error 2" in said
    assert "Traceback" not in said


def test_dvc_lock_is_checked_where_the_source_cannot_be_read(own: Project) -> None:
    dvc = own.folder.with_name("dvc")
    dvc.write_text(NO_CREDENTIALS)
    dvc.chmod(0o755)
    (own.folder / "dvc.lock").touch()
    said = own.make("dvc-check", f"DVC={dvc}")
    assert "the stage ingest is not checked: Unable to locate credentials" in said
    stale = "STALE=Running stage 'train':"
    given = (own.folder, "dvc-check", f"DVC={dvc}")
    done = own.shell("env", stale, "make", "-C", *given, ok=False)
    assert done.returncode != 0
    assert "dvc.lock is out of date: run `make repro`" in done.stderr


def test_a_source_is_written_as_it_is_and_never_with_a_password(own: Project) -> None:
    params, odd = own.folder / "params.yaml", r"data/a&b|c\d"
    before = params.read_text()
    said = own.make("repro", "SOURCE=sftp://me:secret@host/data", ok=False)
    assert "error: SOURCE has a password, which params.yaml would keep" in said
    assert params.read_text() == before
    own.make("repro", f"SOURCE={odd}", ok=False)
    assert yaml.safe_load(params.read_text())["source"] == odd


@pytest.mark.matrix
def test_a_small_source_in_the_tests(own: Project, project: Project) -> None:
    """It is kept by git, and runs and experiments read it."""
    shutil.copytree(project.folder / "data/source", own.folder / "data/source")
    own.run_code(SMALL)
    own.make("repro")
    own.shell.commit(own.folder, "Add data for CI")
    other = clone(own, own.folder.parent / "ci" / "my-pipeline")
    shutil.rmtree(other.folder / "data")
    other.make("dvc-check")
    other.make("run", "SOURCE=tests/data/source")
    assert other.results()["2013-12"]["status"] == "released"
    other.make("repro", "SOURCE=tests/data/source")
    changed = other.shell("git", "diff", "--unified=0", "params.yaml", cwd=other.folder).stdout
    assert '+source: "tests/data/source"' in changed
