"""`make doctor` says what is missing before a run does."""

import os
import shutil
from pathlib import Path

import pytest

from {{{ cookiecutter.package_name }}} import doctor, snapshots
from {{{ cookiecutter.package_name }}}.doctor import examine

from .conftest import HERE, ROOT, Project, enter


def ill(project: Project) -> dict[str, str]:
    """What is not well, and the sentence about it."""
    return {name: said for name, well, said in examine(project.params) if not well}


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody is told."""
    monkeypatch.setenv("ALERT_URLS", "json://ada:hunter2@127.0.0.1/hook")


def test_all_is_well(released: Project) -> None:
    found = list(examine(released.params))
    assert len(found) == 5
    assert all(well for _, well, _ in found)
    said = " ".join(sentence for _, _, sentence in found)
    assert "data/source has 2013-01 to 2013-12" in said
    assert "version 1 is the champion" in said
    assert "hunter2" not in said


def test_it_leaves_nothing_behind(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a project of which there is nothing yet but its data."""
    for name in ("params.yaml", ".dvc/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/source").symlink_to(source)
    project = enter(tmp_path, monkeypatch)
    project.tune(**HERE)
    assert ill(project) == {}
    left = {name for name in project.files() if not name.startswith(("data", ".dvc"))}
    assert left == {"params.yaml"}


def test_a_run_that_stores_data_is_left_alone(
    released: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "PATIENCE", 0.1)
    working = snapshots.WORKSHOP / "of-a-run"
    working.mkdir(parents=True)
    with snapshots.one_at_a_time():
        assert "could not be acquired" in ill(released)["data versions"]
    assert working.exists()


def test_what_is_missing_is_said(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.tune(source="nowhere")
    Path("data/remote").touch()
    monkeypatch.setenv("ALERT_URLS", "slack://hush")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    found = ill(project)
    assert set(found) == {"source", "data versions", "tracker", "alerts"}
    assert found["source"].startswith("The source nowhere has no month of flights")
    assert "127.0.0.1" in found["tracker"]
    assert found["alerts"].startswith("ALERT_URLS: entry 1 lacks something of a slack:// address")


def test_a_folder_that_is_not_to_be_written_to(project: Project) -> None:
    Path("runs").mkdir(mode=0o500)
    if os.access("runs", os.W_OK):
        pytest.skip("root may write everywhere")
    assert "Permission denied" in ill(project)["runs"]


def test_no_target_is_said_where_one_is_wanted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALERT_URLS")
    assert ill(project) == {"alerts": "ALERT_URLS is not set: see .env.example"}
    project.tune(alerts__wanted=False)
    assert ill(project) == {}
