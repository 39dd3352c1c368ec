"""A stack of Docker Compose, started by `make up`, with the actions of the tests."""

import json
import os
import signal
import subprocess
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.offered import TRACKERS
from tests.projects import Project, free_port, until
from tests.shell import ROOT, Shell

# The service in which runs execute.
WORKERS = {"prefect": "prefect-worker", "airflow": "scheduler"}
PORTS = {
    "prefect": ["PREFECT_PORT"],
    "airflow": ["AIRFLOW_PORT"],
    "kubeflow": [],
}
IMAGE = "my-pipeline"
PROMETHEUS = "prom/prometheus:v3.5.0"
SHARED_PORTS = ["PROMETHEUS_PORT", "ALERTMANAGER_PORT", "MAILPIT_PORT"]
# For Debian's Prometheus, which has no OTLP receiver: a stand-in takes its place.
WITHOUT_OTLP = """
services:
  prometheus:
    command: [--config.file=/monitoring/prometheus.yml, --storage.tsdb.path=/prometheus]
"""
WITH_STAND_IN = """
  otlp:
    image: my-pipeline
    command: [python, /otlp.py, "9090"]
    init: true
    restart: unless-stopped
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    mem_limit: 256m
    volumes: ["{otlp}:/otlp.py:ro"]
  scheduler: &sent
    environment:
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: http://otlp:9090/api/v1/otlp/v1/metrics
  dag-processor: *sent
  triggerer: *sent
"""
SCRAPED = """
  - job_name: otlp
    honor_labels: true
    static_configs: [{ targets: ["otlp:9090"] }]
"""
MAIL = "mailto://mailpit:1025?from=pipeline@example.com&to=oncall@example.com"


def pages(tracker: str) -> list[str]:
    """Return the variables of the ports on which runs and models are shown: one, or none."""
    service = TRACKERS[tracker].pages
    return [f"{service.upper()}_PORT"] if service else []


def lacks_otlp(shell: Shell) -> bool:
    """Return whether the image of Prometheus is Debian's, under the official name."""
    look = ("image", "inspect", "--format", '{{ index .Config.Labels "stand-in" }}', PROMETHEUS)
    return bool(shell("docker", *look, ok=False).stdout.strip())


def override(folder: Path, content: str) -> None:
    """Add a Compose file to a project, as the head of compose.yaml says."""
    (folder / "compose.override.yaml").write_text(content)
    env = folder / ".env"
    lines = env.read_text().splitlines(keepends=True) if env.exists() else []
    kept = [line for line in lines if not line.startswith("COMPOSE_FILE=")]
    env.write_text("".join([*kept, "COMPOSE_FILE=ops/compose.yaml:compose.override.yaml\n"]))


@dataclass(frozen=True)
class Stack:
    """A project's stack on free ports, whose alerts go to its own mail catcher."""

    project: Project
    orchestrator: str
    tracker: str = "mlflow"
    ports: dict[str, int] = field(default_factory=dict)

    def prepare(self) -> None:
        """Write .env: secrets, free ports, the mail catcher and its address."""
        self.project.make("env")
        names = [*SHARED_PORTS, *PORTS[self.orchestrator], *pages(self.tracker)]
        self.ports.update({name: free_port() for name in names})
        name = f"my-pipeline-{self.ports['PROMETHEUS_PORT']}"  # a name that nobody else uses
        named = {"COMPOSE_PROJECT_NAME": name, "COMPOSE_PROFILES": "dev"}
        chosen = named | {"ALERT_URLS": f"'{MAIL}'"} | self.ports
        with (self.project.folder / ".env").open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in chosen.items())
        if self.orchestrator == "airflow" and lacks_otlp(self.project.shell):
            stand_in = WITH_STAND_IN.format(otlp=ROOT / "tests/stack/otlp.py")
            override(self.project.folder, WITHOUT_OTLP + stand_in)
            with (self.project.folder / "ops/monitoring/prometheus.yml").open("a") as file:
                file.write(SCRAPED)

    def compose(self, *words: str, ok: bool = True) -> str:
        """Run a command of Compose; return what it printed."""
        done = self.project.shell("docker", "compose", *words, cwd=self.project.folder, ok=ok)
        return done.stdout + done.stderr

    def exec(self, service: str, *command: str, ok: bool = True) -> str:
        """Run a command in a service's container; return its standard output."""
        words = ("docker", "compose", "exec", "-T", service, *command)
        return self.project.shell(*words, cwd=self.project.folder, ok=ok).stdout

    def tool(self, *words: str, ok: bool = True) -> str:
        """Run a command of the package, as the documents say."""
        return self.compose("run", "--rm", "-T", "pipeline", *words, ok=ok)

    def containers(self) -> dict[str, dict[str, Any]]:
        """Return what Docker knows of each service's container."""
        ids = self.compose("ps", "--all", "--quiet").split()
        found = json.loads(self.project.shell("docker", "inspect", *ids).stdout)
        return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in found}

    def kill(self, service: str) -> None:
        """Kill a service's main process, and wait until the engine has restarted it."""
        before = self.containers()[service]
        os.kill(before["State"]["Pid"], signal.SIGKILL)

        def back() -> bool:
            now = self.containers()[service]
            health = now["State"].get("Health", {"Status": "healthy"})
            again = now["RestartCount"] > before["RestartCount"]
            return again and bool(now["State"]["Running"]) and health["Status"] == "healthy"

        until(back)

    def trigger(self, period: str) -> None:
        """Start a run for a period, as the documents say."""
        if self.orchestrator == "prefect":
            deployment = ("deployment", "run", "training/scheduled", "--param", f"period={period}")
            self.exec("prefect-worker", "prefect", *deployment)
        elif self.orchestrator == "airflow":
            asked = json.dumps({"period": period})
            self.exec("scheduler", "airflow", "dags", "trigger", "my-pipeline", "--conf", asked)
        else:
            self.run(period)

    def run(self, period: str) -> subprocess.Popen[str]:
        """Start a run in a container of its own; under Airflow, runs have none."""
        return subprocess.Popen(
            ["docker", "compose", "run", "--rm", "-T", "pipeline", "run", "--period", period],
            cwd=self.project.folder,
            env=self.project.shell.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def files(self, pattern: str) -> list[str]:
        """Return the files below `runs/` that match a pattern."""
        listed = self.exec("monitor", "sh", "-c", f"ls -d runs/{pattern}", ok=False)
        return listed.split()

    def result(self, period: str) -> dict[str, Any] | None:
        """Return the result of a period's newest run, None where it has none."""
        said = self.exec("monitor", "sh", "-c", f"cat runs/{period}-*/result.json", ok=False)
        return json.loads(said) if said else None

    def ends(self, period: str) -> dict[str, Any]:
        """Wait until a period's run has succeeded; return its result."""

        def done() -> dict[str, Any] | None:
            result = self.result(period)
            return None if result is None or result["status"] == "failed" else result

        result: dict[str, Any] = until(done)
        return result

    def get(self, port: str, path: str, **headers: str) -> Any:
        """Request JSON from one of the published ports."""
        url = f"http://127.0.0.1:{self.ports[port]}{path}"
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.load(answer)

    def query(self, promql: str) -> list[dict[str, Any]]:
        """Query Prometheus; return the series."""
        answer = self.get("PROMETHEUS_PORT", "/api/v1/query?" + urlencode({"query": promql}))
        assert answer["status"] == "success"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def mails(self) -> list[str]:
        """Return the subjects of all alerts that arrived, the oldest first."""
        listed = self.get("MAILPIT_PORT", "/api/v1/messages?limit=200")["messages"]
        return [message["Subject"] for message in reversed(listed)]

    def alerted(self, *words: str) -> None:
        """Wait for an alert whose subject has these words."""
        until(lambda: any(all(word in mail for word in words) for mail in self.mails()))
