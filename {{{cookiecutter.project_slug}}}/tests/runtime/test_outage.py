"""Tracker or registry fail within a step: its next try ends as if nothing had happened."""

from typing import Any

import pytest

from {{{ cookiecutter.package_name }}}.runtime.registry import store, tracker
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import RunDir
from {{{ cookiecutter.package_name }}}.runtime.steps.release import release
from {{{ cookiecutter.package_name }}}.runtime.steps.train import train

from . import tracked
from .conftest import P, Project, V, champion_of


@pytest.mark.parametrize(
    ("where", "call"),
    [
        pytest.param(tracker, "log_model", id="training"),
        pytest.param(store, "register", id="registering"),
        pytest.param(store, "set_alias", id="releasing"),
    ],
)
def test_nothing_answers(
    evaluated: Project, monkeypatch: pytest.MonkeyPatch, where: Any, call: str
) -> None:
    run, name = evaluated.plan(P[5]), evaluated.params.model_name
    step, file = (train, "training") if where is tracker else (release, "release")
    result = getattr(RunDir(run), file)
    result.unlink(missing_ok=True)
    ours = getattr(where, call)

    with monkeypatch.context() as patch:

        def outage(*args: Any, **named: Any) -> Any:
            tracked.break_down(patch)
            return ours(*args, **named)

        patch.setattr(where, call, outage)
        with pytest.raises(Exception):  # noqa: B017, PT011 - each tool has its own
            step(run)
    assert not result.exists()
    assert champion_of(evaluated).version == V[1]

    assert step(run)
    assert len(tracked.runs(name)) == 2
    versions = [V[1]] if where is tracker else [V[1], V[2]]
    assert sorted(found.version for found in store.versions(name)) == versions
