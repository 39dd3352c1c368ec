"""A model made under another Python is refused: its compiled code would crash this one."""

import json
from typing import Any

import pytest

from {{{ cookiecutter.package_name }}} import tracking
from {{{ cookiecutter.package_name }}}.errors import BadInput
from {{{ cookiecutter.package_name }}}.steps.evaluate import evaluate
from {{{ cookiecutter.package_name }}}.workspace import Workspace

from .conftest import Project


def test_a_champion(released: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    name = released.params.model_name
    assert tracking.load_model(name, "1")
    monkeypatch.setattr(tracking, "python_version", lambda: "3.99.1")
    with pytest.raises(BadInput, match=r"made under Python 3\.\d+\.\d+ and runs only there"):
        tracking.load_model(name, "1")


def test_a_challenger(evaluated: Project) -> None:
    """As of a run that began in an image and goes on beside it."""
    run = evaluated.plan("2013-05")
    file = Workspace(run).training
    training: dict[str, Any] = json.loads(file.read_bytes())
    file.write_text(json.dumps(training | {"python": "3.99.1"}))
    with pytest.raises(BadInput, match=f"The model of run {run.run_id} was made under Python 3.99"):
        evaluate(run)
