"""Snapshots: the data of a run can be restored, and only what no run needs is removed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from {{{ cookiecutter.package_name }}}.runtime.config import Params
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.files import read_json, write_json
from {{{ cookiecutter.package_name }}}.runtime.registry.kept_data import kept, prune, restore
from {{{ cookiecutter.package_name }}}.runtime.results import Snapshot
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import Run, RunDir
from {{{ cookiecutter.package_name }}}.runtime.source import snapshots
from {{{ cookiecutter.package_name }}}.runtime.source.content import sha256
from {{{ cookiecutter.package_name }}}.runtime.steps.snapshot import snapshot

from .conftest import P, Project


def content(folder: Path) -> dict[str, str]:
    """Return the checksums of all files below a folder by name."""
    return {
        str(file.relative_to(folder)): sha256(file.read_bytes())
        for file in folder.rglob("*")
        if file.is_file()
    }


def version_of(run: Run) -> str:
    return read_json(RunDir(run).snapshot, Snapshot).data_version


def stored(project: Project) -> list[Path]:
    """Return the files in DVC's storage."""
    folder = project.folder / "data/remote/snapshots"
    return [file for file in folder.rglob("*") if file.is_file()]


@pytest.mark.parametrize("by", ["run", "version", "part of it"])
def test_the_data_of_a_run_are_restored(project: Project, by: str) -> None:
    run = project.work(P[6], last="snapshot")
    before = content(Path(run.folder) / "raw")
    shutil.rmtree(Path(run.folder) / "raw")
    version = version_of(run)
    asked = {"run": run.run_id, "version": version, "part of it": version[:8]}
    folder = restore(project.params, asked[by])
    assert content(folder) == before
    # The folder is a source: on it, the same work is the same run.
    project.tune(source=str(folder))
    assert project.plan(P[6]) == run


def test_the_same_data_are_stored_once(project: Project) -> None:
    first = project.work(P[6], last="snapshot")
    files = stored(project)
    project.tune(seed=project.params.seed + 1)
    second = project.work(P[6], last="snapshot")
    assert first.run_id != second.run_id
    assert version_of(first) == version_of(second)
    assert stored(project) == files


def test_half_written_files_of_a_killed_process_are_not_stored(project: Project) -> None:
    run = project.work(P[6], last="snapshot")
    before = version_of(run)
    (Path(run.folder) / "raw/.0.parquet.01234567.part").write_bytes(b"PAR1")
    snapshot(run)
    assert version_of(run) == before


@pytest.mark.parametrize("verify", [True, False])
def test_damage_in_the_storage_is_noticed(project: Project, verify: bool) -> None:
    run = project.work(P[6], last="snapshot")
    config = project.folder / ".dvc/config"
    if not verify:  # as `dvc remote add --force` leaves it
        config.write_text(config.read_text().replace("verify = true\n", ""))
    largest = max(stored(project), key=lambda file: file.stat().st_size)
    largest.chmod(0o644)
    largest.write_bytes(largest.read_bytes()[::-1])
    with pytest.raises(BadInput, match="cannot be restored"):
        restore(project.params, run.run_id)
    assert not (project.folder / "data/versions").exists()


def test_prune_keeps_what_runs_and_registered_versions_need(released: Project) -> None:
    april = next((released.folder / "runs").glob(f"{P[4]}-*"))
    may = released.work(P[5], last="snapshot")
    june = released.work(P[6], last="snapshot")
    shutil.rmtree(april)  # its version is registered, and the champion
    shutil.rmtree(june.folder)
    params = released.params
    before = len(stored(released))
    assert prune(params) == sorted(kept(params)) == [april.name, may.run_id]
    assert len(stored(released)) < before
    for run_id in (april.name, may.run_id):
        assert restore(params, run_id).is_dir()
    with pytest.raises(BadInput, match=f"'{june.run_id}' is neither a run that is kept"):
        restore(params, june.run_id)


def test_prune_needs_no_data_that_were_never_stored(project: Project) -> None:
    """Runs from before the project took DVC have a longer version, a hash of their data."""
    before = project.work(P[5], last="snapshot")
    run = project.work(P[6], last="snapshot")
    write_json(RunDir(before).snapshot, Snapshot(data_version="0" * 64))
    assert prune(project.params) == [run.run_id]


@pytest.mark.parametrize("act", [prune, lambda params: restore(params, f"{P[6]}-")])
def test_a_damaged_name_of_a_version_is_named(
    project: Project, act: Callable[[Params], object]
) -> None:
    run = project.work(P[6], last="snapshot")
    RunDir(run).snapshot.write_text('{"data_ver')
    with pytest.raises(BadInput, match=f"Nothing is removed or restored: runs/{run.run_id}/snap"):
        act(project.params)


def another_storage(project: Project) -> None:
    shutil.rmtree(project.folder / "data/remote/snapshots")


def no_run(project: Project) -> None:
    """An experiment is not a run, and may be all that a fresh clone has."""
    shutil.rmtree(project.folder / "runs")
    experiment = project.folder / "experiment/snapshot.json"
    experiment.parent.mkdir()
    experiment.write_text(json.dumps({"data_version": "0" * 32}))


def damaged_list(project: Project) -> None:
    (listing,) = (file for file in stored(project) if file.suffix == ".dir")
    listing.chmod(0o644)
    listing.write_bytes(listing.read_bytes()[:-9])


def shared_storage(project: Project) -> None:
    config = project.folder / ".dvc/config"
    config.write_text(config.read_text().replace("../data/remote/snapshots", "http://127.0.0.1:9/"))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (another_storage, f"lacks the data of {P[6]}-"),
        (no_run, "neither runs nor the registry at .* has a run"),
        (damaged_list, "or they are damaged"),
        (shared_storage, "other projects may store data there"),
    ],
)
def test_prune_removes_nothing_where_it_may_be_needed(
    project: Project, change: Callable[[Project], None], why: str
) -> None:
    project.work(P[6], last="snapshot")
    change(project)
    other = project.folder / "data/remote/snapshots/files/md5/00/other"
    other.parent.mkdir(parents=True)
    other.write_text("somebody's")
    before = stored(project)
    with pytest.raises(BadInput, match=f"Nothing is removed: .*{why}"):
        prune(project.params)
    assert stored(project) == before


def test_files_of_a_killed_process_are_removed(project: Project) -> None:
    left = project.folder / ".dvc/tmp/snapshots/tmp01234567"
    (left / "data").mkdir(parents=True)
    project.work(P[6], last="snapshot")
    assert [file.name for file in left.parent.iterdir()] == [".lock"]


@pytest.mark.parametrize("asked", ["", P[6], f"{P[6]}-01234567", "0" * 31, "../" + "0" * 29])
def test_what_names_no_version_is_refused(project: Project, asked: str) -> None:
    with pytest.raises(BadInput, match="is neither a run that is kept nor a data version"):
        restore(project.params, asked)


def test_an_unknown_version_is_refused(project: Project) -> None:
    with pytest.raises(BadInput, match=f"Data version {'0' * 32} cannot be restored"):
        restore(project.params, "0" * 32)


def test_a_missing_storage_is_reported(project: Project) -> None:
    run = project.work(P[6], last="validate")
    (project.folder / ".dvc/config").write_text("[core]\nanalytics = false\n")
    with pytest.raises(BadInput, match=r"\.dvc/config has no remote `snapshots`: add it"):
        snapshots.save(RunDir(run).folder, {})


def test_the_version_is_dvc_s_own_hash(project: Project) -> None:
    """So `dvc.lock` of an experiment and the tags of a run agree on the name of the same data."""
    from dvc.repo import Repo

    run = project.work(P[6], last="snapshot")
    folder = project.folder / "elsewhere"
    folder.mkdir()
    with Repo.init(str(folder), no_scm=True) as repo:
        shutil.copytree(Path(run.folder) / "raw", folder / "raw")
        repo.add(str(folder / "raw"))
    (out,) = yaml.safe_load((folder / "raw.dvc").read_text())["outs"]
    assert out["md5"] == f"{version_of(run)}.dir"
