"""The project on Kubeflow Pipelines does what its README says, on a laptop and in its image."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from tests.projects import Project, clone, free_port, need_docker, until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("run parity")]

# Settings of other programs and of a company, none of which a run may heed.
ELSEWHERE = {
    "HTTP_PROXY": "http://proxy.example.invalid:3128",
    "all_proxy": "socks://127.0.0.1:9/",
    "KF_PIPELINES_ENDPOINT": "http://kfp.example.invalid",
    "MLFLOW_RUN_ID": "0" * 32,
}

# All steps, as tasks do them on a cluster: no project's folder is there.
STEPS = """
import logging
from datetime import UTC, datetime
from my_pipeline.runtime.config import load_params
from my_pipeline.runtime.run import plan, read_plan
from my_pipeline.runtime.run.checkpoint import checkpoint
from my_pipeline.runtime.steps import (
    evaluate, features, ingest, release, report, snapshot, train, validate
)

logging.basicConfig(level=logging.INFO, format="%(message)s")
run = plan.plan_run(load_params(), "2013-05", datetime.now(UTC))
for period in read_plan(run).periods:
    checkpoint(ingest.ingest, run, period)
assert checkpoint(validate.validate, run).good
checkpoint(snapshot.snapshot, run)
for period in validate.good_periods(run):
    checkpoint(features.features, run, period)
checkpoint(train.train, run)
checkpoint(evaluate.evaluate, run)
checkpoint(release.release, run)
print(checkpoint(report.report, run, "kubeflow").model_dump_json())
"""


@pytest.fixture(scope="module")
def fresh(on_kubeflow: Project) -> Project:
    """Give one project to the tests of this file, which follow each other."""
    return on_kubeflow


def test_the_first_period_releases_a_model_without_a_network(fresh: Project) -> None:
    """Where root may leave it: then not even this machine itself can be reached."""
    alone = ["unshare", "--net"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        alone = []
    given = [f"{name}={value}" for name, value in ELSEWHERE.items()]
    done = fresh.shell("env", *given, *alone, "make", "run", "PERIOD=2013-05", cwd=fresh.folder)
    result = fresh.results()["2013-05"]
    assert (result["status"], result["orchestrator"]) == ("released", "kubeflow")
    assert f"2013-05 released: {result['reason']}" in done.stdout
    assert "executor_input" not in done.stdout
    assert "Warning" not in done.stdout + done.stderr
    assert f".kubeflow/{result['run_id']}.log" in done.stdout


def test_nothing_is_written_outside_of_the_project(fresh: Project) -> None:
    """But for Matplotlib's cache of fonts."""
    new = list(fresh.shell.home.iterdir())
    assert {path.name for path in new} <= {".cache", ".config"}
    assert {path.name for folder in new for path in folder.iterdir()} <= {"matplotlib"}
    assert not fresh.shell("git", "status", "--porcelain", cwd=fresh.folder).stdout


def test_bad_input_is_refused(fresh: Project) -> None:
    before = fresh.results()
    for words, sentence in (
        (["run", "PERIOD=2014-05"], "The source has no 2014-05: it holds 2013-01 to 2013-12"),
        (["run", "PERIOD=2013-08", "RUNNER=pod"], "No such runner: pod. RUNNER is subprocess or"),
        (["deploy", "IMAGE=any"], "KFP_HOST is '': set it to the address of Kubeflow Pipelines"),
    ):
        said = fresh.make(*words, ok=False)
        assert f"error: {sentence}" in said
        assert "Error 2" in said
        assert "Traceback" not in said
    assert fresh.results() == before


def test_a_cluster_that_does_not_answer(fresh: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    host = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("KFP_HOST", host)
    image = f"IMAGE=registry.example.com/my-pipeline@sha256:{'0' * 64}"
    said = fresh.make("deploy", image, ok=False)
    assert f"error: {host} does not answer: check KFP_HOST and the port-forward" in said
    assert "Error 1" in said
    assert "Traceback" not in said


def test_vertex_takes_one_document(fresh: Project) -> None:
    """Its client reads files by `yaml.safe_load`; the command is that of docs/kubeflow.md."""
    document = (fresh.folder / "docs/kubeflow.md").read_text()
    (command,) = re.findall(r"^awk .*$", document, re.MULTILINE)
    fresh.shell("sh", "-c", command, cwd=fresh.folder)
    file = fresh.folder / "vertex.yaml"
    whole, _ = yaml.safe_load_all((fresh.folder / "pipelines/training.yaml").read_text())
    assert yaml.safe_load(file.read_text()) == whole
    file.unlink()


@pytest.fixture(scope="module")
def image(fresh: Project) -> Iterator[str]:
    """Give the image that `make image` builds, where there is an engine."""
    need_docker()
    fresh.make("image")
    yield "my-pipeline:0.1.0"
    fresh.shell("docker", "image", "rm", "my-pipeline:0.1.0")


@pytest.mark.matrix
def test_the_pipeline_runs_in_the_image(fresh: Project, image: str, tmp_path: Path) -> None:
    """In a project of its own: its champion is of the image's Python."""
    project = clone(fresh, tmp_path / "my-pipeline")
    said = project.make("run", "PERIOD=2013-05", "RUNNER=docker")
    result, here = project.results()["2013-05"], fresh.results()["2013-05"]
    assert result["status"] == "released", said
    same = ("run_id", "status", "reason", "rows", "data_version", "code_version")
    assert {name: result[name] for name in same} == {name: here[name] for name in same}
    assert result["metrics"] == pytest.approx(here["metrics"], abs=1e-6)
    owners = {file.stat().st_uid for file in project.folder.rglob("*")}
    assert owners == {os.geteuid()}


@pytest.fixture
def tracker(fresh: Project, image: str) -> Iterator[str]:
    """Give a network, which leads nowhere else, with an MLflow server at `tracker`, port 5000."""
    name = f"my-pipeline-{uuid4().hex[:8]}"
    fresh.shell("docker", "network", "create", "--internal", name)
    fresh.shell(
        *("docker", "run", "--detach", "--name", name, "--network", name),
        *("--network-alias=tracker", "--env=MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false", image),
        *("mlflow", "server", "--host=0.0.0.0", "--port=5000", "--workers=1", "--serve-artifacts"),
        *("--allowed-hosts=tracker:5000", "--backend-store-uri=sqlite:////tmp/mlflow.db"),
        "--artifacts-destination=/tmp/artifacts",
    )
    asked = "import urllib.request as r; r.urlopen('http://127.0.0.1:5000/health')"
    look = ("docker", "exec", name, "python", "-c", asked)
    until(lambda: fresh.shell(*look, ok=False).returncode == 0)
    yield name
    fresh.shell("docker", "rm", "--force", name)
    fresh.shell("docker", "network", "rm", name)


@pytest.mark.matrix
def test_the_image_works_as_on_a_cluster(
    fresh: Project, image: str, tracker: str, tmp_path: Path
) -> None:
    """As its own user, who may write to little beside the volume's two folders."""
    for name in ("data", "runs"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o777)
    shutil.copytree(fresh.folder / "data/source", tmp_path / "data/source")
    mounts = [f"--volume={tmp_path / name}:/app/{name}" for name in ("data", "runs")]
    confined = ["--cap-drop=ALL", "--security-opt=no-new-privileges", f"--network={tracker}"]
    tracker_uri = "--env=MLFLOW_TRACKING_URI=http://tracker:5000"
    done = fresh.shell(
        *("docker", "run", "--rm", tracker_uri, *confined, *mounts, image, "python", "-c", STEPS)
    )
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["status"] == "released"
    assert result["run_id"] == fresh.results()["2013-05"]["run_id"]


@pytest.mark.matrix
def test_the_image_holds_what_it_needs_and_no_more(fresh: Project, image: str) -> None:
    look = "for tool in gcc git uv kfp mlflow pytest; do which $tool || echo no $tool; done"
    done = fresh.shell("docker", "run", "--rm", image, "sh", "-c", f"id -u; pwd; {look}")
    said = done.stdout.splitlines()
    assert said[:2] == ["10001", "/app"]
    assert {"no gcc", "no git", "no uv", "no pytest"} <= set(said)
    assert {"/app/.venv/bin/kfp", "/app/.venv/bin/mlflow"} <= set(said)
