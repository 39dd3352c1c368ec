"""The cache: later runs take what was made of a period, where they would make the same."""

import errno
import os
import shutil
import time
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from upath import UPath

from {{{ cookiecutter.package_name }}}.runtime.files import read_parquet
from {{{ cookiecutter.package_name }}}.runtime.registry import registry
from {{{ cookiecutter.package_name }}}.runtime.registry.retention import prune_runs
from {{{ cookiecutter.package_name }}}.runtime.run import cache, read_plan
from {{{ cookiecutter.package_name }}}.runtime.run.checkpoint import undone
from {{{ cookiecutter.package_name }}}.runtime.run.outcome import (
    completed_result,
    load_result,
    write_failed,
)
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import Run, RunDir
from {{{ cookiecutter.package_name }}}.runtime.steps.features import features
from {{{ cookiecutter.package_name }}}.runtime.steps.ingest import ingest

from .conftest import MAIN, P, Project, advance, drop_a_third


def new(run: Run) -> list[str]:
    """Return the periods that a planned run has to ingest, which are those that it has to join."""
    periods = read_plan(run).periods
    assert undone(features, run, periods) == undone(ingest, run, periods)
    return undone(ingest, run, periods)


def cached(project: Project, kind: str) -> set[str]:
    return {path.name for path in (project.folder / "runs/.cache" / kind).iterdir()}


def test_the_log_says_what_an_earlier_run_did(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    project.work(P[6], last="ingest")
    project.work(P[6], last="features")
    assert f"ingest-{P[6]}: done before; to run it again, remove" in caplog.text
    assert "taken from an earlier run" not in caplog.text
    project.work(P[7], last="ingest")
    assert f"ingest-{P[6]}: taken from an earlier run" in caplog.text


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


@pytest.mark.parametrize("change", [{"seed": 2}, {"train__alpha": 2.0}, {"evaluate__floor": 19.0}])
def test_another_model_prepares_nothing_again(project: Project, change: dict[str, float]) -> None:
    before = project.work(P[6], last="features")
    project.tune(**change)
    run = project.plan(P[6])
    assert run != before
    assert new(run) == [P[6]]  # so that there is a task


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
    run = project.plan(P[7])
    assert undone(ingest, run, read_plan(run).periods) == [P[5], P[7]]
    project.work(P[7], last="train")
    assert f"left out of training: {P[5]}" in RunDir(run).quality.read_text()


def test_what_is_made_after_the_code_changed_is_not_kept(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.work(P[6], last="validate")
    with monkeypatch.context() as patch:
        patch.setattr(cache, "preparing_version", lambda: "0123456789ab")
        advance(project.plan(P[6]), last="features")
    project.tune(seed=project.params.seed + 1)
    run = project.plan(P[6])
    assert new(run) == read_plan(run).periods


def test_damaged_rows_are_made_again_and_damaged_files_refused(project: Project) -> None:
    first = project.work(P[6], last="features")
    rows = read_parquet(RunDir(first).features(P[5]))
    for name, sha in read_plan(first).checksums[P[4]].items():
        if P[4] in name:
            damaged = project.folder / "runs/.cache/files" / sha
            damaged.chmod(0o644)
            damaged.write_bytes(b"damaged")
    file = Path(RunDir(first).features(P[5]).path)
    file.chmod(0o644)
    file.write_bytes(b"damaged")
    run = project.plan(P[7])
    assert new(run) == [P[5], P[7]]
    with pytest.raises(RuntimeError, match=f"{P[4]}.* is damaged: remove it"):
        project.work(P[7], last="snapshot")
    shutil.rmtree(project.folder / "runs/.cache/files")
    shutil.rmtree(run.folder)
    again = project.work(P[7], last="features")
    assert_frame_equal(read_parquet(RunDir(again).features(P[5])), rows)


def test_runs_share_their_files_which_nobody_can_write_by_mistake(project: Project) -> None:
    first = project.work(P[6], last="features")
    second = project.work(P[7], last="features")
    common = [RunDir(second).features(P[6]), RunDir(second).manifest(P[6])]
    common += [RunDir(second).raw / name for name in read_plan(second).checksums[P[6]]]
    for file in common:
        path = Path(file.path)
        assert path.samefile(str(path).replace(second.folder, first.folder))
        assert path.stat().st_mode & 0o222 == 0


def test_where_a_disk_has_no_links_runs_have_copies(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    project.work(P[6], last="features")
    run = project.work(P[7], last="features")
    assert undone(ingest, run, read_plan(run).periods) == [P[7]]
    assert Path(RunDir(run).features(P[6]).path).stat().st_nlink == 1


def test_runs_in_an_object_store_have_copies(project: Project) -> None:
    project.tune(runs=f"memory://{uuid4().hex}/runs")
    first = project.work(P[6], last="features")
    second = project.plan(P[7])
    assert new(second) == [P[7]]
    UPath(first.folder).fs.rm(UPath(first.folder).path, recursive=True)
    assert read_parquet(RunDir(second).features(P[6])).height > 0


def test_old_runs_keep_their_result_and_lose_their_files(released: Project) -> None:
    waiting = released.work(P[9], last="ingest")
    runs = [released.work(period) for period in (P[5], P[6])]
    failed = released.work(P[8], last="ingest")
    write_failed(failed, "none", OSError("no answer"))
    released.tune(keep_runs=1)
    last = released.work(P[7])
    in_use = registry.runs_in_use(released.params.model_name)
    whole = {waiting.run_id, failed.run_id, last.run_id, *in_use}
    folders = list((released.folder / "runs").glob("[!.]*"))
    assert {folder.name for folder in folders if (folder / "raw").exists()} == whole
    pruned = [run for run in runs if run.run_id not in whole]
    assert pruned
    for run in pruned:
        assert completed_result(released.plan(run.period)) == load_result(run)
        left = {path.name for path in Path(run.folder).iterdir()} - {".locks"}
        assert left <= {"plan.json", "result.json", "report.html", "alerts"}
    plans = [read_plan(Run(run_id=id_, period="", folder=f"runs/{id_}")) for id_ in whole]
    files = {sha for plan in plans for named in plan.checksums.values() for sha in named.values()}
    assert cached(released, "files") == files
    assert cached(released, "periods") <= {n for plan in plans for n in plan.prepared.values()}
    released.tune(seed=released.params.seed + 1)
    assert new(released.plan(P[8])) == [P[8]]
    # What was interrupted goes on.
    (Path(pruned[0].folder) / "steps").mkdir()
    (Path(pruned[0].folder) / "model.pkl").touch()
    prune_runs(released.params)
    assert not (Path(pruned[0].folder) / "model.pkl").exists()


@pytest.mark.parametrize("fault", ["a plan is damaged", "the tracker does not answer"])
def test_what_cannot_be_removed_harms_no_run(
    released: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    released.work(P[5])
    released.tune(keep_runs=1)
    if fault == "a plan is damaged":
        broken = released.folder / "runs" / f"{P[12]}-01234567"
        broken.mkdir()
        (broken / "plan.json").write_text("{")
    else:
        monkeypatch.setattr(registry, "runs_in_use", lambda _: 1 / 0)
    assert released.result(released.work(P[6])).status in ("released", "kept_champion")
    said = "plan.json is damaged, so " if "plan" in fault else "ZeroDivisionError"
    assert "old runs cannot be removed: " in caplog.text
    assert said in caplog.text


def test_what_was_left_half_written_is_removed_after_a_day(project: Project) -> None:
    project.plan(P[6])
    files = project.folder / "runs/.cache/files"
    files.mkdir(parents=True)
    for name, age in ((".old.part", 2), (".new.part", 0)):
        (files / name).touch()
        moment = time.time() - age * cache.ABANDONED
        os.utime(files / name, (moment, moment))
    project.plan(P[6])
    assert [file.name for file in files.iterdir()] == [".new.part"]


def test_nothing_is_removed_unless_it_is_asked_for(released: Project) -> None:
    before = released.files()
    prune_runs(released.params)
    assert released.files() == before
