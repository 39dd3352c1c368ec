"""`make doctor` reports what is missing before a run does."""

import os
import shutil
from pathlib import Path

import pytest

{% if cookiecutter.versioning == "dvc" %}
from {{{ cookiecutter.package_name }}}.runtime.monitor import doctor
{% endif %}
from {{{ cookiecutter.package_name }}}.runtime.monitor.doctor import examine
from {{{ cookiecutter.package_name }}}.runtime.periods import CADENCE
{% if cookiecutter.versioning == "dvc" %}
from {{{ cookiecutter.package_name }}}.runtime.source import snapshots
{% endif %}

from .conftest import MAIN, PARAMS, {{{ 'ROOT, ' if cookiecutter.versioning == 'dvc' else '' }}}P, Project, V, enter
from .tracked import break_down


def errors(project: Project) -> dict[str, str]:
    """Return the checks that failed, and the sentence of each."""
    return {name: message for name, passed, message in examine(project.params) if not passed}


@pytest.fixture(autouse=True)
def target(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alerts have a target."""
    monkeypatch.setenv("ALERT_URLS", "json://ada:hunter2@127.0.0.1/hook")


def test_a_project_that_works(released: Project) -> None:
    found = list(examine(released.params))
    assert len(found) == {{{ 6 if cookiecutter.versioning == 'dvc' else 5 }}}
    assert all(passed for _, passed, _ in found)
    messages = " ".join(message for _, _, message in found)
    assert f"data/source has {P[1]} to " in messages
    assert f"version {V[1]} is the champion" in messages
    assert "hunter2" not in messages


def test_it_leaves_nothing_behind(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a project that has nothing yet but its data."""
{% if cookiecutter.versioning == "dvc" %}
    (tmp_path / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc/config", tmp_path / ".dvc")
{% endif %}
    shutil.copy(PARAMS, tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/source").symlink_to(source)
    project = enter(tmp_path, monkeypatch)
    assert errors(project) == {}
    left = {name for name in project.files() if not name.startswith({{{ '("data", ".dvc")' if cookiecutter.versioning == 'dvc' else '"data"' }}})}
    assert left == {"params.yaml"}


{% if cookiecutter.versioning == "dvc" %}
def test_a_run_that_stores_data_is_left_alone(
    released: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "PATIENCE", 0.1)
    working = snapshots.WORKSHOP / "of-a-run"
    working.mkdir(parents=True)
    with snapshots.one_at_a_time():
        assert "could not be acquired" in errors(released)["data versions"]
    assert working.exists()


{% endif %}
def test_what_is_missing_is_reported(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.tune(source="nowhere")
{% if cookiecutter.versioning == "dvc" %}
    Path("data/remote").touch()
{% endif %}
    monkeypatch.setenv("ALERT_URLS", "slack://hush")
    named = break_down(monkeypatch)
    found = errors(project)
    assert set(found) == {"source", {{{ '"data versions", ' if cookiecutter.versioning == 'dvc' else '' }}}"tracker", "registry", "alerts"}
    assert found["source"].startswith(f"The source nowhere has no {CADENCE.unit} of {MAIN}")
    assert named in found["tracker"]
    assert named in found["registry"]
    assert found["alerts"].startswith("ALERT_URLS: entry 1 is an incomplete slack:// address")


def test_what_is_not_read_is_reported(project: Project) -> None:
    project.delivered(MAIN, P[12]).with_name("more.PARQUET").touch()
    assert errors(project)["source"].endswith(
        "/more.PARQUET is not read: its name does not end in .parquet or .csv: rename or remove it."
    )


def test_a_folder_of_runs_that_is_read_only(project: Project) -> None:
    Path("runs").mkdir(mode=0o500)
    if os.access("runs", os.W_OK):
        pytest.skip("root may write everywhere")
    assert "Permission denied" in errors(project)["runs"]


def test_a_missing_target_is_an_error_where_alerts_are_wanted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALERT_URLS")
    project.tune(alerts__wanted=True)
    assert errors(project) == {"alerts": "ALERT_URLS is not set: see .env.example"}
    project.tune(alerts__wanted=False)
    assert errors(project) == {}
