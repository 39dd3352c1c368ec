"""A project's workflows, executed with programs that only record how they were called.

Each workflow has a run in which no step is skipped, so a step that never runs fails a test.
"""

from pathlib import Path

import pytest

from tests.shell import ROOT, Shell
from tests.workflows.act import CANCELLED, FOLDER, STAND_INS, Recorder, Run, jobs, read, run
from tests.workflows.hub import Event, Hub

DIGEST = f"sha256:{'0' * 64}"
IMAGE = f"ghcr.io/me/my-pipeline@{DIGEST}"
BUILT = f"""\
if [ "$2" = build ]; then
  echo '{{"containerimage.digest": "{DIGEST}"}}' > "$RUNNER_TEMP/build.json"
fi
"""
ON = {"DEPLOY": "production", "ATTEST": "true", "KFP_CA": "authority", "KFP_HOST": "https://kfp"}
SECRETS = {"ALERT_URLS": "json://alerts", "KFP_TOKEN": "token", "TEMPLATE_UPDATE_TOKEN": "update"}
SETTINGS = "ALERT_URLS=json://alerts KFP_HOST=https://kfp KFP_TOKEN=token "
REPORT = 'if [ "$1" = run ]; then mkdir -p runs/1; touch runs/1/report.html; fi;'
GO_BACK = "Go back if the deploy was cancelled or timed out"


class Delivery:
    """A project on GitHub, whose programs only record."""

    def __init__(self, shell: Shell, folder: Path, orchestrator: str) -> None:
        rendered = shell.cookiecutter(folder, orchestrator=orchestrator)
        assert rendered.returncode == 0, rendered.stderr
        project = folder / "my-pipeline"
        shell.commit(project, "Rendered")
        self.workflows = project / FOLDER
        self.kubeflow = orchestrator == "kubeflow"
        self.hub = Hub.of(shell, project, folder / "hub")
        self.hub.commit("change", {"README.md": "Changed.\n"})
        self.folder = folder
        self.recorder = Recorder(folder / "programs")
        self.recorder.add("docker", BUILT)

    def run(
        self,
        event: Event,
        workflow: str,
        make: str = "",
        variables: dict[str, str] | None = None,
        replaced: dict[str, str] | None = None,
    ) -> tuple[Run, dict[str, list[str]]]:
        """Run a workflow whose `make` continues as a script says; return the recorded calls."""
        self.recorder.add("make", make)
        done = run(
            self.hub, event, workflow, self.folder,
            secrets=SECRETS, variables=variables, replaced=replaced,
            environment=self.recorder.path(self.hub.shell),
        )  # fmt: skip
        return done, self.recorder.calls()


PREFECT = pytest.param("prefect", marks=pytest.mark.xdist_group("workflows of prefect"))
KUBEFLOW = pytest.param("kubeflow", marks=pytest.mark.xdist_group("workflows of kubeflow"))


@pytest.fixture(scope="module", params=[PREFECT, KUBEFLOW])
def delivery(
    request: pytest.FixtureRequest, shell: Shell, tmp_path_factory: pytest.TempPathFactory
) -> Delivery:
    folder = tmp_path_factory.mktemp(f"{request.param}-delivery")
    return Delivery(shell, folder, request.param)


def deployed(delivery: Delivery, environment: str, outcome: str = "success") -> list[str]:
    """Return the calls of a deploy to an environment."""
    given = f"ENVIRONMENT={environment} IMAGE={IMAGE} {SETTINGS if delivery.kubeflow else ''}"
    login = [f"{given}docker login --username ada --password-stdin ghcr.io"]
    return [
        *([] if delivery.kubeflow else [f"{given}make env"]),
        f"{given}make deploy-check",
        *([] if delivery.kubeflow else login),
        f"{given}make deploy",
        f"{given}OUTCOME={outcome} make deploy-alert",
    ]


def test_ci(delivery: Delivery) -> None:
    hub = delivery.hub
    checks = ["make lint", "make dvc-check", "make test"]
    done, calls = delivery.run(hub.pull_request("change"), "ci.yml", REPORT)
    assert done.result == "success"
    assert done.skipped == []
    assert calls["check"] == checks
    assert calls["pipeline"] == ["make run", "make compare BASE=HEAD^1"]
    _, build, start = calls["image"]
    assert build.startswith("docker buildx build --load --tag=my-pipeline --file=ops/Dockerfile ")
    assert start.endswith(" my-pipeline python -m my_pipeline status")
    assert [file.name for file in done.artifacts.rglob("*.*")] == ["report.html"]

    done, calls = delivery.run(hub.push(), "ci.yml", REPORT)
    assert done.result == "success"
    assert calls["check"] == checks
    assert calls["pipeline"] == ["make run"]


@pytest.mark.parametrize("delivery", [PREFECT], indirect=True)
def test_ci_reads_the_data_of_the_tests(delivery: Delivery) -> None:
    hub = delivery.hub
    hub.commit("data", {"tests/data/source/README.md": "A small source.\n"})
    done, calls = delivery.run(hub.pull_request("data"), "ci.yml", REPORT)
    assert done.result == "success"
    given = "SOURCE=tests/data/source make"
    assert calls["pipeline"] == [f"{given} run", f"{given} compare BASE=HEAD^1"]
    assert not [call for call in calls["check"] if "SOURCE" in call]


@pytest.mark.parametrize("delivery", [PREFECT], indirect=True)
@pytest.mark.parametrize("command", ["lint", "dvc-check", "test", "run", "compare"])
def test_ci_fails_with_each_command(delivery: Delivery, command: str) -> None:
    hub = delivery.hub
    done, _ = delivery.run(hub.pull_request("change"), "ci.yml", f'{REPORT} [ "$1" != {command} ]')
    assert done.result == "failure"


def test_nothing_is_deployed_until_it_is_set_up(delivery: Delivery) -> None:
    done, calls = delivery.run(delivery.hub.push(), "deploy.yml")
    assert set(done.results.values()) == {"skipped"}
    assert calls == {}


def test_a_push_is_deployed(delivery: Delivery) -> None:
    event = delivery.hub.push()
    done, calls = delivery.run(event, "deploy.yml", variables=ON)
    assert done.result == "success"
    login, _, build = calls["image"]
    assert login == "docker login --username ada --password-stdin ghcr.io"
    assert build.startswith("docker buildx build --push ")
    assert f" --tag=ghcr.io/me/my-pipeline:{event.sha} " in build
    assert f" --label=org.opencontainers.image.revision={event.sha} " in build
    assert " --label=org.opencontainers.image.source=https://github.com/me/my-pipeline " in build
    staging, production = (deployed(delivery, name) for name in ("staging", "production"))
    assert calls["deploy"] == staging + production
    back = [f"{environment} / deploy: {GO_BACK}" for environment in ("staging", "production")]
    assert done.skipped == ([] if delivery.kubeflow else back)


def test_a_deploy_by_hand_ends_in_staging(delivery: Delivery) -> None:
    by_hand = delivery.hub.dispatch(until="staging")
    done, calls = delivery.run(by_hand, "deploy.yml", variables=ON)
    assert done.results == {"image": "success", "staging": "success", "production": "skipped"}
    assert calls["deploy"] == deployed(delivery, "staging")


@pytest.mark.parametrize("command", ["deploy-check", "deploy"])
def test_a_deploy_that_fails_ends_in_staging(delivery: Delivery, command: str) -> None:
    done, calls = delivery.run(delivery.hub.push(), "deploy.yml", f'[ "$1" != {command} ]', ON)
    assert done.results == {"image": "success", "staging": "failure", "production": "skipped"}
    *before, alert = deployed(delivery, "staging", "failure")
    (failing,) = [n for n, call in enumerate(before) if call.endswith(f"make {command}")]
    assert calls["deploy"] == [*before[: failing + 1], alert]


@pytest.mark.parametrize("delivery", [PREFECT], indirect=True)
def test_a_deploy_that_is_cancelled_goes_back(delivery: Delivery) -> None:
    cancel = 'if [ "$1" = deploy ]; then kill -INT "$ACT_PID"; exec sleep 60; fi'
    by_hand = delivery.hub.dispatch()
    done, calls = delivery.run(by_hand, "deploy.yml", cancel, ON, CANCELLED)
    assert done.results["production"] == "skipped"
    given = f"ENVIRONMENT=staging IMAGE={IMAGE} "
    assert calls["deploy"][-2:] == [
        f"{given}make deploy-back",
        f"{given}OUTCOME=cancelled make deploy-alert",
    ]


def test_retrain(delivery: Delivery) -> None:
    by_hand = delivery.hub.dispatch(period="2013-06", environment="staging")
    done, calls = delivery.run(by_hand, "retrain.yml", "echo said", ON)
    given = f"ENVIRONMENT=staging PERIOD=2013-06 {SETTINGS if delivery.kubeflow else ''}"
    assert calls["retrain"] == [f"{given}make deploy-check", f"{given}make retrain"]
    assert done.skipped == []
    assert done.jobs["retrain"].summary == "```\nsaid\n```\n"


def test_template_update(delivery: Delivery) -> None:
    hub = delivery.hub
    _, calls = delivery.run(hub.schedule(), "template-update.yml")
    assert calls["update"] == ["make setup", "MAY_CHANGE_WORKFLOWS=true make template-update"]
    assert not hub.pulls.exists()

    newer = """\
if [ "$1" = template-update ]; then
  echo change >> README.md
  echo page > "$RUNNER_TEMP/page.md"
  printf 'version=v1.1.0\\npage=%s\\n' "$RUNNER_TEMP/page.md" >> "$GITHUB_OUTPUT"
fi
"""
    done, _ = delivery.run(hub.schedule(), "template-update.yml", newer)
    assert done.skipped == []
    assert hub.pull("template-update") == ("Update to v1.1.0 of the template", "page\n")
    assert hub.git("diff", "--name-only", "main", "template-update") == "README.md"


def test_stand_ins(delivery: Delivery) -> None:
    for file in [*delivery.workflows.glob("*.yml"), *(ROOT / FOLDER).glob("*.yml")]:
        for step in [step for _, job in jobs(file) for step in job["steps"] if "uses" in step]:
            name = step["uses"].partition("@")[0]
            action = read(STAND_INS / name / "action.yml")
            assert set(step.get("with", {})) <= set(action.get("inputs", {})), step
            row = f"| {name} | {action['description']} |"
            assert row in (ROOT / "docs/workflows.md").read_text()


def test_airflow_has_the_workflows_of_prefect(shell: Shell, tmp_path: Path) -> None:
    texts = []
    for name in ("prefect", "airflow"):
        assert shell.cookiecutter(tmp_path / name, orchestrator=name).returncode == 0
        files = sorted((tmp_path / name / "my-pipeline" / FOLDER).iterdir())
        texts.append({file.name: file.read_text() for file in files})
    assert texts[0] == texts[1]
    assert list(texts[0]) == [
        "ci.yml",
        "deploy-to.yml",
        "deploy.yml",
        "retrain.yml",
        "template-update.yml",
    ]
