"""The tracker's database is whole, whenever the process that makes it is killed."""

import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest

from {{{ cookiecutter.package_name }}} import tracking

MAKE = "from {{{ cookiecutter.package_name }}} import tracking; tracking.client()"
PATIENCE = 60  # seconds; it only ends a hang


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_killed_while_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    """At some share of its later size; MLflow opens none that was left half made."""
    folder = tmp_path / uuid4().hex[:8]  # it remembers databases by their path
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    made = 700_000 * share
    process = subprocess.Popen([sys.executable, "-c", MAKE])
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        if sum(file.stat().st_size for file in folder.glob("mlflow.db.*.part")) >= made:
            break
        time.sleep(0.01)
    process.kill()
    process.wait()
    left = {file.name for file in folder.iterdir()}
    assert "mlflow.db" not in left
    assert len(left) >= 2, "it was not yet at it"

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    assert tracking.champion("any") is None
    assert {file.name for file in folder.iterdir()} == {"mlflow.db", "mlflow.db.lock"}
