"""The cache: later runs take what was made of a period, where they would make the same."""

import os
import shutil
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from upath import UPath

from {{{ cookiecutter.package_name }}}.runtime.files import read_json, read_parquet
from {{{ cookiecutter.package_name }}}.runtime.registry import registry
from {{{ cookiecutter.package_name }}}.runtime.registry.retention import prune_runs
from {{{ cookiecutter.package_name }}}.runtime.results import Planned
from {{{ cookiecutter.package_name }}}.runtime.run import cache, read_plan
from {{{ cookiecutter.package_name }}}.runtime.run.checkpoint import undone
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import Run, RunDir
from {{{ cookiecutter.package_name }}}.runtime.steps.features import features
from {{{ cookiecutter.package_name }}}.runtime.steps.ingest import ingest

from .conftest import MAIN, P, Project, drop_a_third


def new(run: Run) -> list[str]:
    """Return the periods that a planned run has to ingest, which are those that it has to join."""
    periods = read_plan(run).periods
    assert undone(features, run, periods) == undone(ingest, run, periods)
    return undone(ingest, run, periods)


def cached(project: Project, kind: str) -> set[str]:
    return {path.name for path in (project.folder / "runs/.cache" / kind).iterdir()}


def inodes(folder: str) -> set[int]:
    """Return which files of a disk a run directory has of the data."""
    parts = [Path(folder) / name for name in ("raw", "manifests", "checks", "features")]
    return {file.stat().st_ino for part in parts for file in part.rglob("*") if file.is_file()}


def test_a_run_prepares_only_the_period_that_is_new(project: Project) -> None:
    assert new(project.plan(P[6])) == [P[3], P[4], P[5], P[6]]
    before = project.work(P[6], last="features")
    run = project.plan(P[7])
    assert new(run) == [P[7]]
    project.work(P[7])
    shutil.rmtree(before.folder)
    shutil.rmtree(project.folder / "runs/.cache")
    ours = {period: read_parquet(RunDir(run).features(period)) for period in (P[5], P[6], P[7])}
    result, quality = project.result(run), RunDir(run).quality.read_bytes()
    # Neither the cache nor the run before it is needed; and without them, all is the same.
    shutil.rmtree(run.folder)
    project.tune(model_name="another")
    alone = project.work(P[7])
    assert len(cached(project, "periods")) == len(read_plan(alone).periods)
    for period, rows in ours.items():
        assert_frame_equal(read_parquet(RunDir(alone).features(period)), rows)
    assert project.result(alone).metrics == result.metrics
    assert project.result(alone).data_version == result.data_version
    assert RunDir(alone).quality.read_bytes() == quality


def test_another_model_or_seed_prepares_nothing_again(project: Project) -> None:
    project.work(P[6], last="features")
    project.tune(seed=project.params.seed + 1)
    assert new(project.plan(P[6])) == [P[6]]  # so that there is a task
    assert undone(ingest, project.plan(P[6]), [P[5]]) == []


def test_a_period_that_was_delivered_again_is_prepared_again(project: Project) -> None:
    project.work(P[6], last="features")
    project.deliver(MAIN, P[4], pl.DataFrame.reverse)
    assert new(project.plan(P[6])) == [P[4], P[6]]


def test_other_parameters_of_the_rows_prepare_all_again(project: Project) -> None:
    project.work(P[6], last="features")
    (name, value), *_ = project.params.features
    project.tune(**{f"features__{name}": value + 1})
    run = project.plan(P[6])
    assert new(run) == read_plan(run).periods


def test_other_code_prepares_all_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.work(P[6], last="features")
    monkeypatch.setattr(cache, "preparing_version", lambda: "0123456789ab")
    assert new(project.plan(P[6])) == [P[6]]  # the run itself has done it
    project.tune(seed=project.params.seed + 1)
    run = project.plan(P[6])
    assert new(run) == read_plan(run).periods


@pytest.mark.parametrize("lost", ["files/*", "periods/*/features.parquet", "periods/*/check.json"])
def test_what_is_not_whole_is_prepared_again(project: Project, lost: str) -> None:
    run = project.work(P[6], last="features")
    for file in (project.folder / "runs/.cache").glob(lost):
        file.unlink()
    project.tune(seed=project.params.seed + 1)
    assert new(project.plan(P[6])) == read_plan(run).periods
    other = project.work(P[6], last="features")
    for period in read_plan(run).periods:
        ours, theirs = (read_parquet(RunDir(one).features(period)) for one in (run, other))
        assert_frame_equal(ours, theirs)


def test_a_bad_period_of_the_window_is_checked_by_each_run(project: Project) -> None:
    project.deliver(MAIN, P[5], drop_a_third)
    project.work(P[6], last="features")
    run = project.work(P[7], last="train")
    assert f"left out of training: {P[5]}" in RunDir(run).quality.read_text()
    assert undone(ingest, run, read_plan(run).periods) == [P[7]]


def test_runs_share_their_files_which_nobody_can_write_by_mistake(project: Project) -> None:
    first = project.work(P[6], last="features")
    second = project.work(P[7], last="features")
    shared = inodes(first.folder) & inodes(second.folder)
    files = read_plan(second).checksums[P[6]]
    assert len(shared) >= 2 * len({name for name in files if P[6] in name}) + 2 * 3
    file = RunDir(second).features(P[6])
    assert Path(file.path).stat().st_mode & 0o222 == 0
    if os.getuid() != 0:  # root may write anything
        with pytest.raises(PermissionError):
            Path(file.path).write_bytes(b"")


def test_runs_in_an_object_store_have_copies(project: Project) -> None:
    project.tune(runs=f"memory://{uuid4().hex}/runs")
    first = project.work(P[6], last="features")
    second = project.plan(P[7])
    assert new(second) == [P[7]]
    UPath(first.folder).fs.rm(UPath(first.folder).path, recursive=True)
    assert read_parquet(RunDir(second).features(P[6])).height > 0


def test_old_runs_are_removed_and_with_them_what_only_they_had(released: Project) -> None:
    waiting = released.plan(P[9])
    for period in (P[5], P[6]):
        released.work(period)
    released.tune(keep_runs=1)
    last = released.work(P[7])
    in_use = registry.runs_in_use(released.params.model_name)
    kept = {waiting.run_id, last.run_id, *in_use}
    folders = {folder.name: folder for folder in (released.folder / "runs").glob("[!.]*")}
    assert set(folders) == kept
    assert released.result(last).champion_after is not None
    plans = [read_json(UPath(folder) / "plan.json", Planned) for folder in folders.values()]
    assert cached(released, "periods") <= {n for plan in plans for n in plan.prepared.values()}
    needed = {sha for plan in plans for files in plan.checksums.values() for sha in files.values()}
    assert cached(released, "files") <= needed
    assert new(released.plan(P[8])) == [P[8]]


def test_nothing_is_removed_unless_it_is_asked_for(released: Project) -> None:
    before = released.files()
    prune_runs(released.params)
    assert released.files() == before
