"""A run by KFP's local runner: what is released, what the alert says, and what KFP is shown."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.files import read_json
from {{{ cookiecutter.package_name }}}.runtime.notify.jobs import Job
from {{{ cookiecutter.package_name }}}.runtime.results import Result

from .conftest import P, check_first_release, enter, remove_after
from .inbox import Inbox

pytestmark = pytest.mark.filterwarnings("ignore::Warning:kfp")  # a laptop has no limits, no images

April = tuple[Path, Result, Inbox]


@pytest.fixture(scope="module")
def april(adapter: Any, fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> April:
    """A project whose first period has gone through the pipeline."""
    folder, inbox = tmp_path_factory.mktemp("pipeline") / "project", Inbox()
    shutil.copytree(fresh, folder)
    remove_after(folder, P[4])
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch)
        patch.setenv("ALERT_URLS", inbox.url)
        return folder, adapter.training(P[4]), inbox


def outputs(folder: Path, task: str) -> dict[str, Any]:
    """Return the artifacts that a task of the run gave to KFP."""
    (file,) = folder.glob(f".kubeflow/*/{task}/executor_output.json")
    return {
        name: artifacts["artifacts"][0]
        for name, artifacts in json.loads(file.read_bytes())["artifacts"].items()
    }


def test_the_first_period_is_released(april: April) -> None:
    folder, result, _ = april
    check_first_release(folder, result, "kubeflow")
    (job,) = folder.glob("runs/.jobs/*.json")
    assert read_json(UPath(job), Job).ended


def test_one_alert_is_sent(april: April) -> None:
    _, result, inbox = april
    (alert,) = inbox.alerts
    assert (alert["kind"], alert["period"]) == ("champion_changed", P[4])
    headline = room.evaluation().HEADLINE
    assert f"{headline} {result.metrics[headline]:.4f}" in alert["message"]
    assert alert["run_url"] is None


def test_artifacts_hold_the_model_the_metrics_and_the_report(april: April) -> None:
    folder, result, _ = april
    run = folder / "runs" / result.run_id
    for task, name, file in (("train", "model", "model.pkl"), ("report", "page", "report.html")):
        artifact = outputs(folder, task)[name]
        assert Path(artifact["uri"]).read_bytes() == (run / file).read_bytes()
    evaluated = outputs(folder, "evaluate")
    assert evaluated["metrics"]["metadata"] == pytest.approx(result.metrics)
    assert json.loads(Path(evaluated["evaluation"]["uri"]).read_bytes())["release"] is True
    assert outputs(folder, "snapshot")["data"]["metadata"]["data_version"] == result.data_version
    assert outputs(folder, "report")["result"]["metadata"]["status"] == "released"


def test_a_finished_run_returns_its_result_without_tasks(
    adapter: Any, april: April, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, result, _ = april
    enter(folder, monkeypatch)
    before = set(folder.glob(".kubeflow/*"))
    assert adapter.training(P[4]) == result
    assert adapter.training().status == "nothing_new"
    assert set(folder.glob(".kubeflow/*")) == before
