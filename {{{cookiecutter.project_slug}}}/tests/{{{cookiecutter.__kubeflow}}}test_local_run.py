"""Runs by KFP's local runner: both branches, retries, resuming, and every way to end."""

import builtins
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from {{{ cookiecutter.package_name }}}.errors import BadInput
from {{{ cookiecutter.package_name }}}.results import (
    Result,
    history,
    write_failed,
)
from {{{ cookiecutter.package_name }}}.workspace import Workspace

from .conftest import Project, check_first_release, drop_a_third, enter, remove_after

# That a laptop has no limits and no images.
pytestmark = pytest.mark.filterwarnings("ignore::Warning:kfp")

# Kills the process of a task before it begins, as a node that runs out of memory does.
KILLER = """
import os, signal, sys
if {task!r} in sys.argv:
    os.kill(os.getpid(), signal.SIGKILL)
"""


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
) -> tuple[Path, Result]:
    """A project whose first period has gone through the pipeline."""
    folder = shutil.copytree(fresh, tmp_path_factory.mktemp("pipeline") / "project")
    remove_after(folder, "2013-04")
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch)
        before = builtins.print, logging.getLogger().handlers[:], logging.getLogger().level
        result = adapter.training("2013-04")
        assert before == (builtins.print, logging.getLogger().handlers, logging.getLogger().level)
        return folder, result


def test_the_first_period_is_released(april: tuple[Path, Result]) -> None:
    folder, result = april
    check_first_release(folder, result, "kubeflow")
    assert not list(folder.glob("runs/.kubeflow/*"))


def test_artifacts_lead_to_the_run_s_files(april: tuple[Path, Result]) -> None:
    folder, result = april
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


def test_kfp_gets_metrics_curves_and_the_page(april: tuple[Path, Result]) -> None:
    folder, result = april
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
    adapter: Any, april: tuple[Path, Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(april[0], monkeypatch)
    before = set(april[0].glob(".kubeflow/*"))
    assert adapter.training("2013-04") == april[1]
    assert set(april[0].glob(".kubeflow/*")) == before


def test_a_scheduled_run_with_nothing_to_do_says_so(
    adapter: Any,
    april: tuple[Path, Result],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder, done = april
    enter(folder, monkeypatch)
    result = adapter.training()
    assert result.status == "nothing_new"
    run_by_kfp("")
    said = outputs(folder, "plan")["parameterValues"]
    assert (said["Output"], said["reason"]) == ("nothing_new", result.reason)
    assert f"notice: run nothing_new: {result.reason}" in capfd.readouterr().out
    assert not [*max(folder.glob(".kubeflow/*/")).glob("ingest*")]
    assert history(str(folder / "runs")) == {done.run_id: done}


def test_bad_data_are_quarantined_and_the_champion_stays(adapter: Any, released: Project) -> None:
    released.deliver("flights", "2013-05", drop_a_third)
    result = adapter.training("2013-05")
    assert result.status == "quarantined"
    assert result.reason.endswith("flights.dest: 33.3% are missing, 5.0% allowed")
    assert result.champion_after == result.champion_before
    assert result.champion_after.version == "1"
    (last,) = released.folder.glob(".kubeflow/*/")
    started = {folder.name.partition("-iteration")[0] for folder in last.iterdir()}
    assert {"quarantine", "report", "notice"} <= started
    assert not {"version", "features", "train", "evaluate", "release"} & started


def test_what_fails_is_tried_again_and_said(
    adapter: Any,
    evaluated: Project,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from kfp.local.orchestrator import task_executor

    run = evaluated.plan("2013-05")
    in_the_way = Workspace(run).release
    Path(in_the_way.path).mkdir()  # where the file should be: it cannot be written
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        failed = history("runs")[run.run_id]
        assert failed is not None
        assert failed.status == "failed"
        assert "release.json" in failed.reason
        if len(waited) == 2:
            in_the_way.rmdir()

    monkeypatch.setattr(task_executor.time, "sleep", wait)
    assert adapter.training("2013-05").status in ("released", "kept_champion")
    assert waited == [10, 20]
    said = capfd.readouterr().out
    assert said.count("release failed: ") == 2
    assert "executor_input" not in said
    assert "Traceback" in (evaluated.folder / f".kubeflow/{run.run_id}.log").read_text()


def test_a_run_whose_task_is_killed_has_a_result_and_goes_on_where_it_stopped(
    adapter: Any, evaluated: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = evaluated.plan("2013-05")
    killer = evaluated.folder / "sitecustomize.py"
    killer.write_text(KILLER.format(task="release"))
    monkeypatch.setenv("PYTHONPATH", str(evaluated.folder))
    write_failed(run, "kubeflow", ConnectionError("of an earlier try"))
    with pytest.raises(RuntimeError, match="a task was killed, or ran out of memory or time"):
        adapter.training("2013-05")
    failed = history("runs")[run.run_id]
    assert failed is not None
    assert failed.status == "failed"

    killer.unlink()
    records = Workspace(run).records
    before = {file.name: file.read_bytes() for file in records.iterdir()}
    again = adapter.training("2013-05")
    assert again.run_id == run.run_id
    assert again.status in ("released", "kept_champion")
    assert {name: (records / name).read_bytes() for name in before} == before


def test_a_period_that_is_refused_fails_at_once(
    adapter: Any,
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
    assert f"notice: run refused: {result.reason}" in capfd.readouterr().out
    assert not history("runs")


def test_no_such_runner(adapter: Any, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNNER", "podman")
    with pytest.raises(BadInput, match="No such runner: podman; RUNNER is subprocess or docker"):
        adapter.training("2013-04")
