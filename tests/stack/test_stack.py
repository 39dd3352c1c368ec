"""The stack of each orchestrator: started, used, damaged, moved. The tests run in this order."""

import base64
import json
import re
import shutil
import socket
import urllib.error
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from tests.projects import ORCHESTRATORS, PATIENCE, Project, clone, need_docker, until
from tests.stack.compose import IMAGE, WORKERS, Stack

pytestmark = [pytest.mark.slow, pytest.mark.matrix, pytest.mark.xdist_group("stack")]

ONE_SHOT = {"mlflow-migrate", "prefect-migrate", "prefect-deploy", "airflow-migrate"}


@pytest.fixture(scope="module", params=ORCHESTRATORS)
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Return a stack that `make up` started."""
    need_docker()
    project: Project = request.getfixturevalue(ORCHESTRATORS[request.param])
    stack = Stack(clone(project, tmp_path_factory.mktemp("stack") / "my-pipeline"), request.param)
    stack.prepare()
    try:
        said = stack.project.make("up")
        for name in ("mlflow", "prometheus", "alertmanager"):
            assert f"http://127.0.0.1:{stack.ports[f'{name.upper()}_PORT']}" in said
        yield stack
    finally:
        stack.compose("--profile", "*", "down", "--volumes", ok=False)


def test_it_is_up_when_make_returns(stack: Stack) -> None:
    for service, container in stack.containers().items():
        state = container["State"]
        if service in ONE_SHOT:
            assert (state["Status"], state["ExitCode"]) == ("exited", 0), service
        else:
            assert state["Running"], service
            assert service == "otlp" or state["Health"]["Status"] == "healthy", service


def test_containers_may_do_little(stack: Stack) -> None:
    for service, container in stack.containers().items():
        host = container["HostConfig"]
        assert host["CapDrop"] == ["ALL"], service
        assert not host["CapAdd"], service
        assert not host["Privileged"], service
        assert host["SecurityOpt"] == ["no-new-privileges:true"], service
        # Compose copies Prefect's password into Prometheus.
        assert host["ReadonlyRootfs"] or (stack.orchestrator, service) == ("prefect", "prometheus")
        assert host["Memory"] > 0, service
        if container["State"]["Running"]:
            status = Path(f"/proc/{container['State']['Pid']}/status").read_text()
            assert "\nUid:\t0\t" not in status, service
            assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE), service


def test_nothing_is_published_beyond_this_machine(stack: Stack) -> None:
    published = set()
    for service, container in stack.containers().items():
        for places in (container["NetworkSettings"]["Ports"] or {}).values():
            for place in places or []:
                assert place["HostIp"] == "127.0.0.1", service
                published.add(int(place["HostPort"]))
    assert published == set(stack.ports.values())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing; shows the address that others reach
        outside = probe.getsockname()[0]
    for port in published:
        with socket.socket() as caller:
            assert caller.connect_ex((outside, port)) != 0, port
        with socket.socket() as caller:
            assert caller.connect_ex(("127.0.0.1", port)) == 0, port


def refused(stack: Stack, port: str, path: str, **headers: str) -> int:
    with pytest.raises(urllib.error.HTTPError) as refusal:
        stack.get(port, path, **headers)
    return refusal.value.code


def test_requests_without_a_login_are_refused(stack: Stack) -> None:
    """Prefect and Airflow ask for a login; MLflow refuses requests from other web pages."""
    assert refused(stack, "MLFLOW_PORT", "/api/2.0/mlflow/experiments/search", Host="evil") == 403
    if stack.orchestrator == "prefect":
        wrong = "Basic " + base64.b64encode(b"admin:wrong").decode()
        for path in ("/api/admin/version", "/api/metrics", "/api/block_types/slug/secret"):
            assert refused(stack, "PREFECT_PORT", path) == 401
            assert refused(stack, "PREFECT_PORT", path, Authorization=wrong) == 401
    if stack.orchestrator == "airflow":
        for path in ("/api/v2/dags", "/api/v2/connections", "/api/v2/variables"):
            assert refused(stack, "AIRFLOW_PORT", path) == 401
            assert refused(stack, "AIRFLOW_PORT", path, Authorization="Bearer wrong") in (401, 403)


def test_a_run_that_the_schedule_starts_ends_released(stack: Stack) -> None:
    """Airflow's is due at once, Prefect's gets a time. Kubeflow's schedule needs a cluster."""
    if stack.orchestrator == "prefect":
        soon = datetime.now(UTC) + timedelta(seconds=90)  # the server looks each minute
        schedule = ("--interval", "36000", "--anchor-date", soon.isoformat())
        stack.exec(
            *("prefect-worker", "prefect", "deployment", "schedule", "create"),
            *("training/scheduled", *schedule),
        )
    elif stack.orchestrator == "kubeflow":
        stack.trigger("2013-12")
    result = stack.ends("2013-12")
    assert (result["status"], result["orchestrator"]) == ("released", stack.orchestrator)
    page = result["tracker_url"]
    assert page.startswith(f"http://127.0.0.1:{stack.ports['MLFLOW_PORT']}/#/experiments/")
    tracked = page.rpartition("/")[2]
    run = stack.get("MLFLOW_PORT", f"/api/2.0/mlflow/runs/get?run_id={tracked}")["run"]
    assert run["info"]["status"] == "FINISHED"
    stack.alerted("2013-12: the champion is version 1")


def test_its_metrics_are_there(stack: Stack) -> None:
    """Every query of every dashboard has an answer, and every target is up."""
    until(lambda: stack.query('pipeline_runs{status="released"} > 0'))
    down = until(lambda: stack.query("up")) and stack.query("up == 0")
    assert not down
    folder = stack.project.folder / "ops/monitoring/grafana/dashboards"
    queries = [
        target["expr"]
        for dashboard in folder.glob("*.json")
        for panel in json.loads(dashboard.read_text())["panels"]
        for target in panel.get("targets", [])
    ]
    assert len(queries) > 10
    until(lambda: all(stack.query(query) for query in queries))


def test_the_rules_are_good(stack: Stack) -> None:
    groups = stack.get("PROMETHEUS_PORT", "/api/v1/rules")["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    written = yaml.safe_load((stack.project.folder / "ops/monitoring/rules.yml").read_text())
    assert len(rules) == sum(len(group["rules"]) for group in written["groups"])
    assert {rule["health"] for rule in rules} == {"ok"}
    assert not [rule["name"] for rule in rules if rule.get("state") == "firing"]
    mount = f"{stack.project.folder / 'ops/monitoring'}:/monitoring:ro"
    image = stack.containers()["prometheus"]["Config"]["Image"]
    for words in (
        ["check", "rules", "/monitoring/rules.yml"],
        ["test", "rules", "/monitoring/rules.test.yml"],
    ):
        docker = ("docker", "run", "--rm", f"--volume={mount}", "--entrypoint=promtool", image)
        stack.project.shell(*docker, *words)


def test_alerts_of_prometheus_arrive(stack: Stack) -> None:
    """Through Alertmanager, at the targets of `ALERT_URLS`."""
    stack.exec(
        *("alertmanager", "amtool", "--alertmanager.url=http://127.0.0.1:9093", "alert", "add"),
        *("ComponentDown", "severity=critical", "job=a-component"),
        *("--annotation=summary=a-component is down", "--annotation=description=It is gone."),
    )
    stack.alerted("a-component is down")


def test_bad_data_are_quarantined(stack: Stack) -> None:
    stack.project.damage("2013-09")
    stack.trigger("2013-09")
    result = stack.ends("2013-09")
    assert result["status"] == "quarantined"
    assert result["champion_after"]["period"] == "2013-12"
    stack.alerted("2013-09 is in quarantine")


def in_the_middle(stack: Stack, period: str) -> None:
    """Start a run for a period, and wait until its model is being fitted."""
    stack.trigger(period)
    until(lambda: stack.files(f"{period}-*/.locks/train"))


@pytest.mark.parametrize("service", ["mlflow", "postgres", "worker"])
def test_a_killed_service_is_restarted_and_its_run_succeeds(stack: Stack, service: str) -> None:
    period = {"mlflow": "2013-05", "postgres": "2013-06", "worker": "2013-07"}[service]
    if service == "worker" and stack.orchestrator not in WORKERS:
        pytest.skip("its run is a process that somebody started, and starts again")
    in_the_middle(stack, period)
    stack.kill(WORKERS[stack.orchestrator] if service == "worker" else service)
    if stack.orchestrator == "prefect" and service == "worker":
        stack.alerted(period, "vanished")
        stack.trigger(period)
    assert stack.ends(period)["status"] in ("released", "kept_champion")
    assert len(stack.files(f"{period}-*")) == 1


def kept(stack: Stack) -> dict[str, Any]:
    """Return the facts that must survive."""
    versions = "/api/2.0/mlflow/model-versions/search"
    status = stack.tool("status")
    runs = {
        "prefect": "SELECT count(*) FROM flow_run WHERE end_time IS NOT NULL",
        "airflow": "SELECT count(*) FROM dag_run WHERE end_date IS NOT NULL",
    }
    known = ""
    if query := runs.get(stack.orchestrator):
        psql = ("psql", "--username=postgres", "--tuples-only", stack.orchestrator, "-c", query)
        known = stack.exec("postgres", *psql).strip()
    return {
        "champion": re.findall(r"Champion: version \d+ of \S+, evaluated on \S+", status),
        "versions": stack.get("MLFLOW_PORT", versions)["model_versions"],
        "runs": stack.files("*/result.json"),
        "known": known,
    }


def test_down_and_up_loses_nothing(stack: Stack) -> None:
    before = kept(stack)
    assert before["champion"]
    stack.project.make("down")
    assert not stack.compose("ps", "--all", "--quiet").strip()
    stack.project.make("up")
    assert kept(stack) == before


def test_a_backup_fills_an_empty_stack(stack: Stack) -> None:
    """A backup taken during a run, restored after the image was deleted, too."""
    before = kept(stack)
    run = None
    if stack.orchestrator == "airflow":
        stack.trigger("2013-11")
    else:
        run = stack.run("2013-11")
    until(lambda: stack.files("2013-11-*/.locks/train"))
    said = stack.project.make("backup")
    stack.ends("2013-11")
    if run:
        run.wait(PATIENCE)  # its container holds the volumes until it is removed
    (folder,) = stack.project.folder.glob("backups/*")
    assert f"backups/{folder.name}" in said
    assert folder.stat().st_mode & 0o077 == 0
    refusal = stack.project.make("restore", f"FROM=backups/{folder.name}", ok=False)
    assert "error: The stack is not empty" in refusal
    stack.compose("--profile", "*", "down", "--volumes")
    stack.project.shell("docker", "image", "rm", "--force", IMAGE)
    lacking = stack.project.make("restore", "FROM=backups", ok=False)
    assert "error: backups is not a backup: it lacks runs.tar" in lacking
    damaged = folder.with_name("damaged")
    shutil.copytree(folder, damaged)
    (damaged / "models.tar").write_bytes(b"no archive, but more than nothing")
    failed = stack.project.make("restore", "FROM=backups/damaged", ok=False)
    assert "tar: " in failed
    assert not stack.compose("ps", "--all", "--quiet").strip()
    stack.project.make("restore", f"FROM=backups/{folder.name}")
    stack.project.make("up")
    assert kept(stack) == before
    stack.trigger("2013-11")
    assert stack.ends("2013-11")["status"] == "kept_champion"


def test_secrets_of_existing_data_are_not_replaced(stack: Stack) -> None:
    file = stack.project.folder / ".env"
    secrets = file.read_text()
    file.write_text(re.sub(r"MLFLOW_DB_PASSWORD=.*\n", "", secrets))
    said = stack.project.make("env", ok=False)
    assert "error: .env lacks MLFLOW_DB_PASSWORD, with which the stack's data were written" in said
    file.write_text(secrets)


def test_what_the_documents_say_to_do(stack: Stack) -> None:
    """Score, look at a report, send a test; under Prefect, change the password."""
    assert "Wrote predictions/2013-11.parquet" in stack.tool("predict", "--period", "2013-11")
    assert "ERROR" not in stack.tool("doctor")
    (run,) = stack.files("2013-11-*")
    report = stack.compose(
        "run", "--rm", "-T", "--entrypoint=cat", "pipeline", f"{run}/report.html"
    )
    assert "2013-11" in report
    assert "ERROR" not in stack.tool("alert-test")
    if stack.orchestrator != "kubeflow":  # there, a month that is not there is refused at once
        stack.trigger("2014-01")
        stack.alerted("2014-01")
    if stack.orchestrator == "prefect":
        file = stack.project.folder / ".env"
        old = re.findall(r"^PREFECT_PASSWORD=(.*)$", file.read_text(), re.MULTILINE)[0]
        file.write_text(file.read_text().replace(f"PREFECT_PASSWORD={old}\n", ""))
        stack.project.make("env", "up")
        credentials = "Basic " + base64.b64encode(f"admin:{old}".encode()).decode()
        assert refused(stack, "PREFECT_PORT", "/api/metrics", Authorization=credentials) == 401
        until(lambda: stack.query('up{job="prefect"} == 1'))


def test_a_change_of_a_step_leaves_the_dependencies(stack: Stack) -> None:
    step = stack.project.folder / "src/my_pipeline/runtime/steps/report.py"
    step.write_text(f"{step.read_text()}\n# {uuid4()}\n")
    said = stack.compose("--progress=plain", "build")
    cached = {
        stage: f"\n{number} CACHED" in said
        for number, stage in re.findall(r"^(#\d+) \[[^\]]*\b(\w+) \d/\d\] RUN", said, re.MULTILINE)
    }
    assert cached["dependencies"], said
    assert not cached["package"], said


def test_a_run_whose_worker_is_replaced_is_alerted_and_the_next_one_starts(stack: Stack) -> None:
    """`make up` after that change replaces the server and its services, too."""
    if stack.orchestrator != "prefect":
        pytest.skip("what is replaced under Airflow is tried again; under Kubeflow, nothing is")
    in_the_middle(stack, "2013-10")
    stack.project.make("up")
    stack.trigger("2013-10")
    stack.alerted("2013-10", "vanished")
    assert stack.ends("2013-10")["status"] in ("released", "kept_champion")
    assert len(stack.files("2013-10-*")) == 1  # a comment makes no new run: it was resumed


def test_no_secret_is_in_a_log(stack: Stack) -> None:
    text = (stack.project.folder / ".env").read_text()
    secrets = [line.partition("=")[2] for line in text.splitlines() if "_PORT" not in line]
    logs = stack.compose("logs", "--no-color")
    assert not [secret for secret in secrets if len(secret) > 20 and secret.strip("'") in logs]
