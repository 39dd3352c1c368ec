"""trackio: where it keeps runs and models, and that nothing which it loses goes unnoticed."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.files import read_json
from {{{ cookiecutter.package_name }}}.runtime.registry import registry, store, tracker
from {{{ cookiecutter.package_name }}}.runtime.registry.trackio_client import load_trackio
from {{{ cookiecutter.package_name }}}.runtime.results import Training
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import RunDir
from {{{ cookiecutter.package_name }}}.runtime.steps.release import release
from {{{ cookiecutter.package_name }}}.runtime.steps.train import train

from .conftest import P, Project, V, champion_of
from .tracked import logged, runs


def no_room(*_: Any, **__: Any) -> None:
    raise sqlite3.OperationalError("database or disk is full")


def test_what_is_not_stored_is_an_error(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """trackio itself only warns, and goes on."""
    run = project.work(P[4], last="features")
    with monkeypatch.context() as patch:
        patch.setattr("trackio.sqlite_storage.SQLiteStorage.bulk_log", no_room)
        with pytest.raises(RuntimeError, match=r"trackio in \.trackio: .*disk is full"):
            train(run)
    assert not RunDir(run).training.exists()
    train(run)
    assert runs(project.params.model_name) == [run.run_id]
    assert logged(run.run_id).tags["period"] == P[4]


@pytest.mark.parametrize("method", ["commit_artifact_version", "insert_run_artifact_link"])
def test_a_release_that_is_not_stored_is_repeated(
    evaluated: Project, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    run, name = evaluated.plan(P[5]), evaluated.params.model_name
    with monkeypatch.context() as patch:
        patch.setattr(f"trackio.sqlite_storage.SQLiteStorage.{method}", no_room)
        with pytest.raises((sqlite3.OperationalError, RuntimeError), match="disk is full"):
            release(run)
    assert champion_of(evaluated).version == V[1]
    assert release(run).released
    assert {found.version for found in store.versions(name)} == {V[1], V[2]}


def test_a_folder_that_is_a_file_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("taken").write_text("")
    monkeypatch.setenv("TRACKIO_DIR", "taken")
    with pytest.raises(BadInput, match="taken, trackio's folder, is a file: correct that, or set"):
        store.exists()


def test_a_space_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_SPACE_ID", "ada/space")
    with pytest.raises(BadInput, match="TRACKIO_SPACE_ID is set, and trackio loads"):
        tracker.check()


def test_a_damaged_model_is_not_loaded(released: Project) -> None:
    for file in Path(".trackio/artifacts").rglob("*"):
        if file.is_file():
            file.chmod(0o644)
            file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ValueError, match=f"version {V[1]} of .*, is damaged"):
        registry.load_model(released.params.model_name, V[1])


def test_the_page_of_a_run(released: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    run = released.plan(P[4])
    training = read_json(RunDir(run).training, Training)
    assert training.tracker_url == tracker.page_of(run.run_id)
    monkeypatch.setenv("TRACKIO_PORT", "7861")
    assert str(tracker.page_of(run.run_id)).startswith("http://127.0.0.1:7861/run?project=")
    monkeypatch.setenv("TRACKIO_UI_URL", "https://runs.example/ml/")
    assert str(tracker.page_of(run.run_id)).startswith("https://runs.example/ml/run?project=")


def test_the_registry_is_trackio_s(evaluated: Project) -> None:
    """As `trackio registry` and its pages show it."""
    name = evaluated.params.model_name
    release(evaluated.plan(P[5]))
    registry.rollback(name)
    links = load_trackio().Api().registry("models").collection(name).links
    aliases = {link["collection_version"]: set(link["aliases"]) for link in links}
    assert aliases == {1: {"latest", "previous"}, 0: {"champion"}}
    (bad,) = load_trackio().Api().registry("rolled-back").collection(name).links
    assert bad["source_version"] == next(
        link["source_version"] for link in links if link["collection_version"] == 1
    )
