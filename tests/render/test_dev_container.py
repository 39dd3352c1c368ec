"""The dev container fits the project: its Python, its pages, its tools.

Neither its schema nor its image is checked: no package has the schema, and images need a registry.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.projects import ORCHESTRATORS
from tests.render.conftest import FrontEnd
from tests.render.rendered import without_comments

PORT = re.compile(r"(?:PREFECT|AIRFLOW|MLFLOW)_PORT\W{1,6}(\d{4})\b")


def read(project: Path) -> Any:
    return json.loads(without_comments((project / ".devcontainer/devcontainer.json").read_text()))


@pytest.mark.parametrize("orchestrator", ORCHESTRATORS)
def test_pages(by_orchestrator: dict[str, Path], orchestrator: str) -> None:
    """It forwards and names each port that `make ui` uses."""
    project = by_orchestrator[orchestrator]
    starters = [project / name for name in ("Makefile", "ops/ui.sh", "ops/ui.py")]
    ports = {port for file in starters if file.exists() for port in PORT.findall(file.read_text())}
    container = read(project)
    assert {str(port) for port in container["forwardPorts"]} == ports
    assert container["portsAttributes"].keys() == ports


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_python_and_tools(render_cookiecutter: FrontEnd, tmp_path: Path, python: str) -> None:
    project = render_cookiecutter(tmp_path, python_version=python)
    container = read(project)
    assert container["image"].endswith(f":3-{python}-bookworm")
    assert f"FROM python:{python}-slim-bookworm" in (project / "ops/Dockerfile").read_text()
    assert container["remoteUser"] not in ("", "root")
    makefile = (project / "Makefile").read_text()
    for target in container["postCreateCommand"].removeprefix("make ").split():
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    settings = container["customizations"]["vscode"]["settings"]
    assert settings["python.defaultInterpreterPath"].endswith("/.venv/bin/python")
