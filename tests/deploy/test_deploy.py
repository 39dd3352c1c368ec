"""The rendered deploy.yml and retrain.yml, executed on two self-hosted machines.

The tests follow each other: a first deploy, a good one, one that is rolled back, a run by hand.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.alerts.receiver import Receiver
from tests.deploy.conftest import docker
from tests.projects import Project, free_port
from tests.stack.compose import PORTS, SHARED_PORTS, WITHOUT_OTLP, lacks_otlp, override, pages
from tests.workflows.act import CANCELLED, Recorder, Run, run
from tests.workflows.hub import Event, Hub

pytestmark = [pytest.mark.slow, pytest.mark.matrix, pytest.mark.xdist_group("stack")]

ORCHESTRATORS = {"prefect": "project", "airflow": "airflow"}
GO_BACK = "Go back if the deploy was cancelled or timed out"
BROKEN = "src/my_pipeline/runtime/steps/evaluate.py"
ON = {"DEPLOY": "production", "ATTEST": "true"}
# act starts each job in a new folder. A self-hosted machine keeps one: a first step links it.
JOBS = (
    "      IMAGE: ${{ inputs.image }}\n    steps:\n",
    "      PERIOD: ${{ inputs.period }}\n    steps:\n",
)
LINK = """\
      - id: link
        run: |
          rmdir "$GITHUB_WORKSPACE"
          ln -s "$MACHINES/${{ inputs.environment }}" "$GITHUB_WORKSPACE"
"""
# The step in which the deploy hangs, and what cancels it there.
HANGS = "\nimport subprocess\n\nsubprocess.run(['sleep', '3599.25'])\n"
CANCEL = f"""\
if [ "$1" = deploy ]; then
  (until pgrep --full 'sleep 3599.25' >/dev/null; do sleep 1; done; kill -INT "$ACT_PID") &
fi
exec {shutil.which("make")} "$@"
"""


@dataclass(frozen=True)
class Delivery:
    """A repository on GitHub, the machines of its two environments, and their alerts."""

    orchestrator: str
    hub: Hub
    folder: Path
    registry: str
    receiver: Receiver

    def run(
        self,
        event: Event,
        workflow: str,
        replaced: dict[str, str] | None = None,
        **environment: str,
    ) -> Run:
        """Run a workflow with the repository's settings."""
        linked = {start: start + LINK for start in JOBS}
        done = run(
            self.hub, event, workflow, self.folder, variables=ON,
            replaced={"ghcr.io": self.registry} | linked | (replaced or {}),
            environment={"MACHINES": str(self.folder / "machines")} | environment,
        )  # fmt: skip
        for job in done.jobs.values():
            job.steps.pop("link", None)
        return done

    def place(self, environment: str) -> Path:
        """Return the folder of the project on the machine of an environment."""
        return self.folder / "machines" / environment

    def prepare(self, environment: str) -> None:
        """Make the machine of an environment: with ports, and a name, that nobody else has."""
        self.hub.shell("git", "clone", "-q", self.hub.folder, self.place(environment))
        names = [*SHARED_PORTS, *pages("mlflow"), *PORTS[self.orchestrator]]
        ports = {name: str(free_port()) for name in names}
        name = f"my-pipeline-{environment}-{ports['MLFLOW_PORT']}"
        if self.orchestrator == "airflow" and lacks_otlp(self.hub.shell):
            override(self.place(environment), WITHOUT_OTLP)
        self.write(environment, ports | {"COMPOSE_PROJECT_NAME": name})

    def write(self, environment: str, variables: dict[str, str]) -> None:
        """Write variables into .env on the machine of an environment."""
        with (self.place(environment) / ".env").open("a") as file:
            file.writelines(f"{name}='{value}'\n" for name, value in variables.items())

    def deployed(self, environment: str) -> str:
        """Return the image that .env names."""
        found = re.findall(r"^IMAGE=(.*)$", (self.place(environment) / ".env").read_text(), re.M)
        assert len(found) == 1
        return str(found[0])

    def used(self, environment: str) -> set[str]:
        """Return the images of ours that containers run on."""
        listed = ("docker", "compose", "ps", "--format", "{{.Image}}")
        said = self.hub.shell(*listed, cwd=self.place(environment)).stdout
        return {image for image in said.split() if image.startswith(self.registry)}

    def alerts(self) -> list[str]:
        """Return the titles of the alerts that arrived since the last call."""
        with self.receiver.changed:
            titles = [alert.payload["title"] for alert in self.receiver.arrived]
            self.receiver.arrived.clear()
        return titles


@pytest.fixture(scope="module", params=ORCHESTRATORS)
def delivery(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, registry: str
) -> Iterator[Delivery]:
    """Return a repository whose variable DEPLOY is set, with machines that lack `.env`."""
    project: Project = request.getfixturevalue(ORCHESTRATORS[request.param])
    folder = tmp_path_factory.mktemp("delivery")
    hub = Hub.of(project.shell, project.folder, folder / "hub")
    with Receiver() as receiver:
        given = Delivery(request.param, hub, folder, registry, receiver)
        try:
            yield given
        finally:
            for place in folder.glob("machines/*"):
                down = ("docker", "compose", "--profile", "*", "down", "--volumes")
                project.shell(*down, cwd=place, ok=False)
            built = docker("image", "ls", "--quiet", f"{registry}/me/my-pipeline").stdout
            docker("image", "rm", "--force", *built.split())


def test_the_first_deploy_makes_the_passwords_and_says_what_is_missing(delivery: Delivery) -> None:
    delivery.prepare("staging")
    done = delivery.run(delivery.hub.push(), "deploy.yml")
    assert done.results == {"image": "success", "staging": "failure", "production": "skipped"}
    job = done.jobs["staging / deploy"]
    assert job.step("Make the secrets that .env lacks").outcome == "success"
    assert "error: ALERT_URLS is not set" in job.step("Check the settings").log
    assert job.step("Deploy, run once, go back if that fails").outcome == "skipped"
    assert "MLFLOW_DB_PASSWORD=" in (delivery.place("staging") / ".env").read_text()


def test_a_deploy(delivery: Delivery) -> None:
    delivery.prepare("production")
    for environment in ("staging", "production"):
        delivery.write(environment, {"ALERT_URLS": delivery.receiver.urls()["webhook"]})
    done = delivery.run(delivery.hub.push(), "deploy.yml")
    assert done.result == "success"
    assert {step.partition(": ")[2] for step in done.skipped} == {GO_BACK}
    image = delivery.deployed("staging")
    assert re.fullmatch(rf"{delivery.registry}/me/my-pipeline@sha256:\w{{64}}", image)
    assert delivery.deployed("production") == image
    titles = delivery.alerts()
    assert "my-pipeline: staging has a new version" in titles
    assert "my-pipeline: production has a new version" in titles
    assert not [secret for secret in delivery.receiver.secrets if secret in done.log]


def test_a_deploy_that_fails_goes_back(delivery: Delivery) -> None:
    before = delivery.deployed("staging")
    source = delivery.hub.text("main", BROKEN)
    delivery.hub.commit("main", {BROKEN: f'{source}\nraise RuntimeError("broken")\n'})
    done = delivery.run(delivery.hub.push(), "deploy.yml")
    assert done.results == {"image": "success", "staging": "failure", "production": "skipped"}
    deploy = done.jobs["staging / deploy"].step("Deploy, run once, go back if that fails")
    assert deploy.outcome == "failure"
    assert f"failed. Running again: {before}." in deploy.log
    assert delivery.deployed("staging") == before
    assert delivery.used("staging") == {before}
    assert "my-pipeline: staging was not deployed" in delivery.alerts()


def test_a_deploy_that_is_cancelled_goes_back(delivery: Delivery, tmp_path: Path) -> None:
    before = delivery.deployed("staging")
    delivery.hub.commit("main", {BROKEN: delivery.hub.text("main~", BROKEN) + HANGS})
    recorder = Recorder(tmp_path / "programs")
    recorder.add("make", CANCEL)
    path = recorder.path(delivery.hub.shell)
    done = delivery.run(delivery.hub.push(), "deploy.yml", CANCELLED, **path)
    assert done.results["production"] == "skipped"
    assert f"Running again: {before}." in done.log
    assert delivery.deployed("staging") == before
    assert delivery.used("staging") == {before}
    assert "my-pipeline: staging was not deployed" in delivery.alerts()


def test_a_run_by_hand(delivery: Delivery) -> None:
    asked = delivery.hub.dispatch(period="2013-06", environment="staging")
    done = delivery.run(asked, "retrain.yml")
    assert done.result == "success"
    assert "2013-06" in done.jobs["retrain"].summary
