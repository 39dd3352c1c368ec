"""MLflow's database is complete or absent, whenever the process that creates it is killed."""

import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest

from {{{ cookiecutter.package_name }}}.runtime.registry import registry

MAKE = """
from {{{ cookiecutter.package_name }}}.runtime.registry.mlflow_client import mlflow_client

mlflow_client()
"""
PATIENCE = 60  # seconds; it only ends a hang


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_killed_while_it_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    """At a share of its later size: MLflow cannot open an incomplete database."""
    folder = tmp_path / uuid4().hex[:8]  # it remembers databases by their path
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    size = 700_000 * share
    process = subprocess.Popen([sys.executable, "-c", MAKE])
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        if sum(file.stat().st_size for file in folder.glob("mlflow.db.*.part")) >= size:
            break
        time.sleep(0.01)
    process.kill()
    process.wait()
    left = {file.name for file in folder.iterdir()}
    assert "mlflow.db" not in left
    assert len(left) >= 2, "it was killed before it began"

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    assert registry.champion("any") is None
    assert {file.name for file in folder.iterdir()} == {"mlflow.db", "mlflow.db.lock"}
