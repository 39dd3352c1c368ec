"""Runs by KFP's local runner, as they should be: what is released, done or refused, and said."""

import builtins
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from {{{ cookiecutter.package_name }}}.deadlines import Job
from {{{ cookiecutter.package_name }}}.errors import BadInput
from {{{ cookiecutter.package_name }}}.results import (
    Result,
    history,
)
from {{{ cookiecutter.package_name }}}.workspace import read_json

from .conftest import Project, check_first_release, drop_a_third, enter, remove_after
from .damage import into
from .inbox import Inbox

# That a laptop has no limits and no images.
pytestmark = pytest.mark.filterwarnings("ignore::Warning:kfp")


def outputs(project: Path, task: str) -> dict[str, Any]:
    """Return what a task of the last run handed to KFP: parameters and artifacts."""
    last = max(project.glob(".kubeflow/*/"), key=lambda folder: folder.name)
    return dict(json.loads((last / task / "executor_output.json").read_bytes()))


def run_by_kfp(period: str) -> None:
    """Run the pipeline as one does that was started on the cluster: nothing is planned before."""
    from kfp import local

    from kubeflow.pipeline import training

    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=".kubeflow")
    training(period=period)


@pytest.fixture(scope="module")
def april(
    adapter: Any, fresh: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Result, Inbox]:
    """A project whose first period has gone through the pipeline."""
    folder, inbox = tmp_path_factory.mktemp("pipeline") / "project", Inbox()
    shutil.copytree(fresh, folder)
    remove_after(folder, "2013-04")
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch)
        patch.setenv("ALERT_URLS", inbox.url)
        before = builtins.print, logging.getLogger().handlers[:], logging.getLogger().level
        result = adapter.training("2013-04")
        assert before == (builtins.print, logging.getLogger().handlers, logging.getLogger().level)
        return folder, result, inbox


def test_the_first_period_is_released(april: tuple[Path, Result, Inbox]) -> None:
    folder, result, _ = april
    check_first_release(folder, result, "kubeflow")
    (job,) = folder.glob("runs/.jobs/*.json")
    assert read_json(UPath(job), Job).ended


def test_the_release_is_said_once(april: tuple[Path, Result, Inbox]) -> None:
    _, result, inbox = april
    (alert,) = inbox.alerts
    assert (alert["kind"], alert["period"]) == ("champion_changed", "2013-04")
    assert f"auc {result.metrics['auc']:.4f}" in alert["message"]
    assert alert["run_url"] is None


def test_artifacts_lead_to_the_run_s_files(april: tuple[Path, Result, Inbox]) -> None:
    folder, result, _ = april
    for task, name, file in (
        ("validate", "quality", "quality.json"),
        ("version", "snapshot", "version.json"),
        ("train", "model", "model.pkl"),
        ("evaluate", "verdict", "evaluation.json"),
        ("report", "result", "result.json"),
    ):
        (artifact,) = outputs(folder, task)["artifacts"][name]["artifacts"]
        assert Path(artifact["metadata"]["path"]) == folder / "runs" / result.run_id / file
        assert json.loads(Path(artifact["uri"]).read_bytes())


def test_kfp_gets_metrics_curves_and_the_page(april: tuple[Path, Result, Inbox]) -> None:
    folder, result, _ = april
    judged = outputs(folder, "evaluate")["artifacts"]
    (metrics,), (curves,) = (judged[name]["artifacts"] for name in ("metrics", "curves"))
    assert metrics["metadata"] == pytest.approx(result.metrics)
    points = curves["metadata"]["confidenceMetrics"]
    assert len(points) > 100
    assert all(0 <= value <= 1 for point in points for value in point.values())
    matrix = curves["metadata"]["confusionMatrix"]
    assert sum(sum(row["row"]) for row in matrix["rows"]) == result.rows["scored"]
    (page,) = outputs(folder, "report")["artifacts"]["page"]["artifacts"]
    written = (folder / "runs" / result.run_id / "report.html").read_bytes()
    assert Path(page["uri"]).read_bytes() == written


def test_a_finished_run_asked_for_again_returns_its_result(
    adapter: Any, april: tuple[Path, Result, Inbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(april[0], monkeypatch)
    before = set(april[0].glob(".kubeflow/*"))
    assert adapter.training("2013-04") == april[1]
    assert set(april[0].glob(".kubeflow/*")) == before


def test_a_scheduled_run_with_nothing_to_do_says_so(
    adapter: Any,
    april: tuple[Path, Result, Inbox],
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder, done, _ = april
    enter(folder, monkeypatch)
    result = adapter.training()
    assert result.status == "nothing_new"
    run_by_kfp("")
    said = outputs(folder, "plan")["parameterValues"]
    assert (said["Output"], said["reason"]) == ("nothing_new", result.reason)
    assert f"notice: run nothing_new: {result.reason}" in capfd.readouterr().out
    assert not [*max(folder.glob(".kubeflow/*/")).glob("ingest*")]
    assert history(str(folder / "runs")) == {done.run_id: done}
    assert inbox.alerts == []


def test_bad_data_are_quarantined_and_the_champion_stays(
    adapter: Any,
    april: tuple[Path, Result, Inbox],
    fresh: Path,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = enter(april[0], monkeypatch)
    for table in ("flights", "weather"):
        month = project.delivered(table, "2013-05").relative_to(project.folder).parent
        shutil.copytree(fresh / month, month)
    project.deliver("flights", "2013-05", drop_a_third)
    for column in ("distance", "sched_arr_time", "tailnum"):
        project.deliver("flights", "2013-05", into(column, None, tenths=4))
    before = set(project.folder.glob(".kubeflow/*/"))
    result = adapter.training("2013-05")
    assert result.status == "quarantined"
    assert "flights.dest: 33.3% are missing, 5.0% allowed" in result.reason
    assert result.champion_after == result.champion_before == april[1].champion_after
    (last,) = set(project.folder.glob(".kubeflow/*/")) - before
    started = {folder.name.partition("-iteration")[0] for folder in last.iterdir()}
    assert {"quarantine", "report", "notice"} <= started
    assert not {"version", "features", "train", "evaluate", "release"} & started
    (alert,) = inbox.alerts
    assert alert["kind"] == "quarantined"
    assert alert["message"].count("2013-05: flights.") == 3
    assert "and 1 more" in alert["message"]


def test_a_period_that_is_refused_fails_at_once_and_is_said_once(
    adapter: Any,
    inbox: Inbox,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from kfp.local.orchestrator import task_executor

    waited: list[float] = []
    monkeypatch.setattr(task_executor.time, "sleep", waited.append)
    with pytest.raises(RuntimeError, match="refuse"):
        run_by_kfp("2014-01")
    assert not waited
    (file,) = project.folder.glob("runs/refused-*/result.json")
    result = Result.model_validate_json(file.read_bytes())
    assert result.reason.startswith("The source has no 2014-01")
    assert f"notice: run {result.run_id} failed: {result.reason}" in capfd.readouterr().out
    assert not history("runs")
    (alert,) = inbox.alerts
    assert (alert["kind"], alert["step"]) == ("run_failed", "plan")
    assert (alert["reason"], alert["rerun"]) == (result.reason, "make run PERIOD=2014-01")


def test_no_such_runner(adapter: Any, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNNER", "podman")
    with pytest.raises(BadInput, match="No such runner: podman; RUNNER is subprocess or docker"):
        adapter.training("2013-04")
