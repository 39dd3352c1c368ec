"""Deploys to a server that speaks KFP's API, and runs of what is deployed there."""

import re
import runpy
import sys
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import urllib3
import yaml
from kfp_server_api import V2beta1Experiment, V2beta1RuntimeConfig
from my_pipeline.runtime import PROJECT as NAME
from my_pipeline.runtime.errors import BadInput
from pipelines import deploy as deploying
from pipelines import schedule as scheduling
from pipelines.deploy import COMPILED, deploy, pin
from pipelines.schedule import CRON, alike, schedule
from pipelines.server import DeployError, Server

from .conftest import PARAMS, ROOT
from .kfp_server import Kfp, Refusal, Request, read_pipeline, serving

IMAGE = f"registry.example.com/team/{NAME}"
FIRST = f"{IMAGE}:0.1.0@sha256:{'1' * 64}"
SECOND = f"{IMAGE}@sha256:{'2' * 64}"
TOKEN = "s3cr3t.t0k3n"  # noqa: S105 - of the tests' server

CREATE_PIPELINE = "pipeline_service_create_pipeline"
UPLOAD = "upload_pipeline_version"
CREATE_EXPERIMENT = "experiment_service_create_experiment"
RUN = "run_service_create_run"
CREATE = "recurring_run_service_create_recurring_run"
DELETE = "recurring_run_service_delete_recurring_run"
FIRST_DEPLOY = [CREATE_PIPELINE, UPLOAD, CREATE_EXPERIMENT, RUN, CREATE]
UPDATE = [UPLOAD, RUN, CREATE, DELETE]

SMALL = f"""
components:
  comp-plan:
    executorLabel: exec-plan
deploymentSpec:
  executors:
    exec-plan:
      container:
        image: {NAME}:0.1.0
pipelineInfo:
  name: {NAME}
root:
  dag:
    tasks:
      plan:
        componentRef:
          name: comp-plan
  inputDefinitions:
    parameters:
      period:
        parameterType: STRING
      window:
        parameterType: NUMBER_INTEGER
schemaVersion: 2.1.0
"""
"""A pipeline with the parameters of the real one, which takes longer to read and write."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a compiled pipeline and the parameters."""
    (tmp_path / COMPILED).parent.mkdir()
    (tmp_path / COMPILED).write_text(SMALL, encoding="utf-8")
    (tmp_path / "params.yaml").write_bytes(PARAMS.read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(deploying, "POLL", 0.01)
    monkeypatch.setattr(Server, "PAUSE", 0.01)
    monkeypatch.setattr(Server, "TIMEOUT", 0.5)
    return tmp_path


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kfp]:
    """A cluster that the environment names, on which nothing is deployed."""
    for name in ("KFP_NAMESPACE", "KFP_CA", "PERIOD", "ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KFP_TOKEN", TOKEN)
    monkeypatch.setenv("ALERT_URLS", "json://127.0.0.1:9")
    with serving() as state:
        monkeypatch.setenv("KFP_HOST", state.host)
        yield state


def do(image: str = FIRST, **parameters: str | int) -> None:
    """Deploy from this process."""
    deploy(Server(), image, parameters, minutes=0.2)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    def sentence(self, code: int) -> str:
        """Return the one sentence with which a command fails."""
        assert self.code == code, self
        (line,) = self.err.splitlines()
        assert line.startswith("error: ")
        assert line.endswith(".")
        return line.removeprefix("error: ")


Command = Callable[..., Ended]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `python -m pipelines` with words and variables of the environment."""
    monkeypatch.setenv("IMAGE", FIRST)

    def run(*words: str, **variables: str) -> Ended:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["pipelines", *words])
        with pytest.raises(SystemExit) as ended:
            runpy.run_module("pipelines", run_name="__main__")
        out, err = capsys.readouterr()
        assert TOKEN not in out + err
        return Ended(int(ended.value.code or 0), out, err)

    return run


def scheduled_version(cluster: Kfp) -> str:
    """Return the id of the version that the one recurring run is of."""
    (recurring,) = cluster.recurring
    assert recurring.status == "ENABLED"
    return str(recurring.pipeline_version_reference.pipeline_version_id)


def test_the_first_deploy(cluster: Kfp, command: Command) -> None:
    cluster.token = TOKEN
    done = command("deploy")
    assert (done.code, done.err) == (0, "")
    assert cluster.changes == FIRST_DEPLOY
    (version,) = cluster.versions
    assert re.fullmatch(r"\d+\.\d+\.\d+-[0-9a-f]{8}", version.name)
    (run,) = cluster.runs
    assert (run.state, run.runtime_config.parameters) == ("SUCCEEDED", {})
    assert run.pipeline_version_reference.pipeline_version_id == version.pipeline_version_id
    states = "  PENDING\n  RUNNING\n  SUCCEEDED\n"
    assert f"{cluster.host}/#/runs/details/{run.run_id}\n{states}" in done.out
    (experiment,) = cluster.experiments
    assert run.experiment_id == experiment.experiment_id
    assert (experiment.display_name, cluster.pipelines[0].name) == (NAME, NAME)
    assert scheduled_version(cluster) == version.pipeline_version_id
    (recurring,) = cluster.recurring
    assert recurring.experiment_id == experiment.experiment_id
    assert recurring.trigger.cron_schedule.cron == CRON
    assert recurring.no_catchup is True
    assert recurring.max_concurrency == "1"
    assert recurring.service_account == run.service_account == NAME
    assert recurring.runtime_config.parameters == {}


def test_the_same_deploy_again_changes_nothing(cluster: Kfp, command: Command) -> None:
    do()
    cluster.requests.clear()
    done = command("deploy")
    assert (done.code, cluster.changes) == (0, [])
    assert "is deployed, and its schedule is in place" in done.out


def test_a_new_version_takes_over(cluster: Kfp) -> None:
    do()
    cluster.requests.clear()
    do(SECOND)
    assert cluster.changes == UPDATE
    assert scheduled_version(cluster) == cluster.versions[1].pipeline_version_id
    tried, scheduled = cluster.runs[1], cluster.recurring[0]
    assert tried.pipeline_version_reference == scheduled.pipeline_version_reference


def test_another_cron_takes_over_without_an_upload(
    cluster: Kfp, monkeypatch: pytest.MonkeyPatch
) -> None:
    do()
    cluster.requests.clear()
    monkeypatch.setattr(scheduling, "CRON", "0 30 7 1 * *")
    do()
    assert cluster.changes == [RUN, CREATE, DELETE]
    assert cluster.recurring[0].trigger.cron_schedule.cron == "0 30 7 1 * *"


def test_a_cron_of_five_fields_is_refused(cluster: Kfp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "CRON", "0 6 2 * *")
    with pytest.raises(BadInput, match="give six fields, seconds first"):
        do()
    assert not cluster.runs


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("service_account", "default"),
        ("max_concurrency", "5"),
        ("no_catchup", None),
        ("runtime_config", V2beta1RuntimeConfig(parameters={"window": 5})),
    ],
)
def test_a_schedule_with_another_setting_is_replaced(
    cluster: Kfp, setting: str, value: object
) -> None:
    do()
    former = copy(cluster.recurring[0])
    setattr(cluster.recurring[0], setting, value)
    cluster.requests.clear()
    do()
    assert cluster.changes == [RUN, CREATE, DELETE]
    assert alike(cluster.recurring[0], former)


def test_all_images_that_arrive_are_pinned_and_nothing_else_changes(cluster: Kfp) -> None:
    compiled = (ROOT / COMPILED).read_text(encoding="utf-8")
    COMPILED.write_text(compiled, encoding="utf-8")
    do()
    (content,) = cluster.uploads
    assert f"{NAME}:".encode() not in content
    spec, platform = yaml.safe_load_all(compiled)
    executors = spec["deploymentSpec"]["executors"].values()
    assert len(executors) > 5
    for executor in executors:
        assert executor["container"]["image"].startswith(f"{NAME}:")
        executor["container"]["image"] = f"{IMAGE}@sha256:{'1' * 64}"
    assert list(yaml.safe_load_all(content)) == [spec, platform]
    assert COMPILED.read_text(encoding="utf-8") == compiled


def test_an_image_of_others_needs_a_digest() -> None:
    def two(other: str) -> str:
        return f"{SMALL}{'second:':>8}\n    image: {other}\n"

    other = f"busybox@sha256:{'3' * 64}"
    assert f"image: {other}\n" in pin(two(other), FIRST)
    with pytest.raises(BadInput, match="the image busybox:latest has no digest"):
        pin(two("busybox:latest"), FIRST)


@pytest.mark.parametrize("content", [None, "", "a: ["])
def test_what_is_no_pipeline_is_refused(cluster: Kfp, content: str | None) -> None:
    COMPILED.unlink()
    if content is not None:
        COMPILED.write_text(content)
    with pytest.raises(BadInput, match=r"pipelines/training\.yaml .*: write it with `make c"):
        do()
    assert cluster.requests == []


def test_a_run_with_parameters(cluster: Kfp, command: Command) -> None:
    do()
    cluster.requests.clear()
    done = command("deploy", "--window", "4", PERIOD="2013-06")
    assert done.code == 0, done.err
    assert cluster.changes == [RUN]
    assert cluster.runs[1].runtime_config.parameters == {"period": "2013-06", "window": 4}
    assert "-2013-06-" in cluster.runs[1].display_name


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        *((outcome, f"ended as {outcome}") for outcome in ("FAILED", "CANCELED", "SKIPPED")),
        ("RUNNING", "takes longer than 0.005 minutes"),
    ],
)
def test_a_run_that_fails_leaves_the_schedule(
    cluster: Kfp, command: Command, outcome: str, said: str
) -> None:
    do()
    before = cluster.recurring.copy()
    cluster.outcome = outcome
    words = ["--timeout", "0.005"] if outcome == "RUNNING" else []
    sentence = command("deploy", *words, IMAGE=SECOND).sentence(1)
    assert sentence.startswith(f"The run {said}: see {cluster.host}/#/runs/details/")
    assert cluster.recurring == before


def test_a_run_that_has_nothing_to_do_says_so(cluster: Kfp, command: Command) -> None:
    assert "is done already" not in command("deploy").out
    cluster.last_task = "plan"
    assert "The period is done already" in command("retrain").out


def test_a_disabled_schedule_stays_disabled(
    cluster: Kfp, capsys: pytest.CaptureFixture[str]
) -> None:
    do()
    cluster.recurring[0].status = "DISABLED"
    do(SECOND)
    (recurring,) = cluster.recurring
    assert recurring.status == "DISABLED"
    assert "it is disabled, as the one before was" in capsys.readouterr().out


def test_of_several_schedules_one_is_left(cluster: Kfp) -> None:
    do()
    kept = cluster.recurring[0]
    for cron in ("1 1 1 1 * *", "2 2 2 2 * *", CRON):
        another = schedule(cluster.versions[0], kept.experiment_id)
        another.trigger.cron_schedule.cron = cron
        cluster.recurring_run_service_create_recurring_run(another)
    do()
    assert cluster.recurring == [kept]


def test_what_others_made_is_left_alone(cluster: Kfp) -> None:
    do()
    version, experiment = cluster.versions[0], cluster.recurring[0].experiment_id
    for _ in range(3):
        mine = schedule(version, experiment)
        mine.display_name = "mine"
        cluster.recurring_run_service_create_recurring_run(mine)
    elsewhere = V2beta1Experiment(display_name="elsewhere")
    cluster.experiment_service_create_experiment(elsewhere)
    twin = schedule(version, elsewhere.experiment_id)
    cluster.recurring_run_service_create_recurring_run(twin)
    others = cluster.recurring[1:]
    do(SECOND)
    assert cluster.recurring[:-1] == others
    assert len(cluster.recurring) == 5


class Disturbance:
    """Something that goes wrong in requests for one operation, the first times or always."""

    def __init__(self, operation: str, wrong: int | str, times: int = 999) -> None:
        self.operation, self.wrong, self.times = operation, wrong, times
        self.path = ""

    def __call__(self, request: Request) -> int | str:
        # An operation on another path is another request, such as to delete something else.
        if request.route.name != self.operation or self.path not in ("", request.path):
            return 0
        self.path = request.path
        self.times -= 1
        return self.wrong if self.times >= 0 else 0


@pytest.mark.parametrize("wrong", [500, 403, "hang"])
@pytest.mark.parametrize("operation", UPDATE)
def test_a_change_that_always_fails_leaves_the_former_schedule(
    cluster: Kfp, monkeypatch: pytest.MonkeyPatch, operation: str, wrong: int | str
) -> None:
    do()
    before = cluster.recurring.copy()
    cluster.requests.clear()
    cluster.fault = Disturbance(operation, wrong)
    monkeypatch.setattr(Server, "TIMEOUT", 0.05)
    with pytest.raises(DeployError, match=r"\(403\)|at every attempt|nothing came for"):
        do(SECOND)
    tries = 1 if wrong == 403 else Server.TRIES
    undone = operation == DELETE  # by deleting the new one
    assert cluster.changes.count(operation) == tries + undone
    assert cluster.recurring == before
    assert scheduled_version(cluster) == cluster.versions[0].pipeline_version_id

    cluster.fault = lambda _: 0
    do(SECOND)
    assert scheduled_version(cluster) == cluster.versions[-1].pipeline_version_id
    assert len(cluster.versions) == 2


@pytest.mark.parametrize("operation", [*FIRST_DEPLOY, DELETE])
@pytest.mark.parametrize("wrong", [500, 503, "lose"])
def test_a_change_that_fails_at_first_is_made_once(
    cluster: Kfp, operation: str, wrong: int | str
) -> None:
    if operation == DELETE:
        do()
    cluster.fault = Disturbance(operation, wrong, times=2 if wrong == 500 else 1)
    do(SECOND)
    assert scheduled_version(cluster) == cluster.versions[-1].pipeline_version_id
    made = (cluster.pipelines, cluster.experiments, cluster.recurring)
    assert [len(each) for each in made] == [1, 1, 1]
    assert len(cluster.versions) == len(cluster.runs) == 1 + (operation == DELETE)


@pytest.mark.parametrize("operation", ["healthz_service_get_healthz", "run_service_get_run"])
def test_a_question_that_fails_at_first_is_asked_again(cluster: Kfp, operation: str) -> None:
    cluster.fault = Disturbance(operation, 502, times=2)
    do()
    assert cluster.runs[0].state == "SUCCEEDED"


def test_a_schedule_whose_answers_are_all_lost_does_not_stay_twice(cluster: Kfp) -> None:
    do()
    cluster.fault = Disturbance(DELETE, "lose")
    do(SECOND)  # deleted at the first try; the next does not find it, and its answer is lost too
    assert scheduled_version(cluster) == cluster.versions[1].pipeline_version_id


def test_a_schedule_that_another_deploy_makes_meanwhile_is_left(cluster: Kfp) -> None:
    do()
    theirs = schedule(cluster.versions[0], cluster.recurring[0].experiment_id)
    fails = Disturbance(DELETE, 403)

    def comes_first(request: Request) -> int | str:
        if request.route.name == DELETE and theirs not in cluster.recurring:
            cluster.recurring_run_service_create_recurring_run(theirs)
        return fails(request)

    before = cluster.recurring.copy()
    cluster.fault = comes_first
    with pytest.raises(DeployError, match="403"):
        do(SECOND)
    assert cluster.recurring == [*before, theirs]


def test_where_the_new_schedule_cannot_be_deleted_either_it_is_said(cluster: Kfp) -> None:
    do()
    cluster.fault = lambda request: 500 if request.route.name == DELETE else 0
    with pytest.raises(DeployError, match="there may be two recurring runs"):
        do(SECOND)
    cluster.fault = lambda _: 0
    do(SECOND)
    assert scheduled_version(cluster) == cluster.versions[1].pipeline_version_id


def test_a_version_that_another_deploy_uploads_meanwhile_is_taken(cluster: Kfp) -> None:
    def first(request: Request) -> int:
        if request.route.name != UPLOAD:
            return 0
        cluster.upload_pipeline_version(request.body, **request.query)
        return 409

    cluster.fault = first
    do()
    assert scheduled_version(cluster) == cluster.versions[0].pipeline_version_id
    assert cluster.changes == FIRST_DEPLOY


def test_a_conflict_without_a_cause_is_no_success(cluster: Kfp) -> None:
    cluster.fault = Disturbance(UPLOAD, 409)
    with pytest.raises(DeployError, match=r"refused a request \(409\)"):
        do()
    assert cluster.recurring == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (401, "wants a valid token (401): KFP_TOKEN is missing, wrong or expired"),
        (302, "wants a valid token (302)"),
        (403, "does not allow this (403): a test refuses Bearer ***"),
        (404, "refused a request (404): a test refuses"),
        (500, "failed (500) at every attempt: a test refuses"),
        ("hang", "does not answer: nothing came for 0.1 seconds"),
        ("lose", "does not answer: check KFP_HOST and the port-forward"),
    ],
)
def test_a_server_that_does_not_do_its_work(
    cluster: Kfp, command: Command, monkeypatch: pytest.MonkeyPatch, wrong: int | str, said: str
) -> None:
    cluster.fault = lambda _: wrong
    monkeypatch.setattr(Server, "TIMEOUT", 0.1)
    assert command("deploy").sentence(1).startswith(f"{cluster.host} {said}")
    assert cluster.changes == []


def test_a_token_that_is_wrong_or_missing(cluster: Kfp, command: Command) -> None:
    cluster.token = "another"  # noqa: S105
    for token in (TOKEN, ""):
        sentence = command("deploy", KFP_TOKEN=token).sentence(1)
        assert "KFP_TOKEN is missing, wrong or expired" in sentence


def test_a_page_instead_of_the_api(cluster: Kfp, folder: Path, command: Command) -> None:
    page = folder / "apis/v2beta1/healthz"
    page.parent.mkdir(parents=True)
    page.write_text("<p>Welcome</p>")
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), quiet) as other:
        Thread(target=other.serve_forever, args=(0.02,), daemon=True).start()
        host = f"http://127.0.0.1:{other.server_port}"
        sentence = command("deploy", KFP_HOST=host).sentence(1)
        other.shutdown()
    assert sentence == f"{host} is not Kubeflow Pipelines: correct KFP_HOST."


def test_an_installation_with_many_users(cluster: Kfp, command: Command) -> None:
    cluster.multi_user = True
    with pytest.raises(BadInput, match="set KFP_NAMESPACE"):
        do()
    assert cluster.changes == []
    for _ in range(2):
        assert command("deploy", KFP_NAMESPACE="team").code == 0
    assert cluster.changes == FIRST_DEPLOY
    assert cluster.pipelines[0].namespace == cluster.experiments[0].namespace == "team"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"IMAGE": f"{NAME}:0.1.0"}, f"The image '{NAME}:0.1.0' has no digest"),
        ({"IMAGE": FIRST[:-1]}, "The image "),
        ({"IMAGE": ""}, "The image '' has no digest"),
        ({"PERIOD": "2013-6"}, "'2013-6' is no period"),
        ({"KFP_HOST": ""}, "KFP_HOST is ''"),
        ({"KFP_TOKEN": f"Bearer {TOKEN}"}, "KFP_TOKEN is not a token"),
        ({"KFP_CA": "nowhere.pem"}, "KFP_CA is 'nowhere.pem': there is no such file"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_sent(
    cluster: Kfp, command: Command, variables: dict[str, str], said: str
) -> None:
    assert command("deploy", **variables).sentence(2).startswith(said)
    assert cluster.requests == []


def test_a_window_of_one_period_is_refused(cluster: Kfp, command: Command) -> None:
    assert "1 is not in the range x>=2" in command("deploy", "--window=1").err
    assert cluster.requests == []


def test_retrain_runs_the_version_of_the_schedule(cluster: Kfp, command: Command) -> None:
    do()
    do(SECOND)
    before = cluster.changes
    assert command("retrain").code == 0
    assert not cluster.runs[-1].runtime_config.parameters
    assert command("retrain", PERIOD="2013-06").code == 0
    assert cluster.changes == [*before, RUN, RUN]
    run, (recurring,) = cluster.runs[-1], cluster.recurring
    assert run.runtime_config.parameters == {"period": "2013-06"}
    assert run.pipeline_version_reference == recurring.pipeline_version_reference
    cluster.outcome = "FAILED"
    assert command("retrain").sentence(1).startswith("The run ended as FAILED")


def test_retrain_refuses_what_cannot_be_run(cluster: Kfp, command: Command) -> None:
    sentence = f"Nothing is deployed on {cluster.host}: run `make deploy IMAGE=…` first."
    assert command("retrain").sentence(2) == sentence
    assert command("retrain", PERIOD="June").sentence(2).startswith("'June' is no period")
    assert not cluster.runs


def test_check_says_where_to_set_what_is_missing(
    cluster: Kfp, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("check").out == f"{cluster.host} answers.\n"
    monkeypatch.setenv("ENVIRONMENT", "staging")
    for variable in ("ALERT_URLS", "KFP_HOST"):
        monkeypatch.delenv(variable)
        sentence = command("check").sentence(2)
        assert re.match(f"{variable}, .* is not set", sentence)
        assert sentence.endswith("Set it for the environment staging.")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "nowhere", None, 404),
        ("PUT", "runs", None, 404),
        ("GET", "runs?colour=red", None, 400),
        ("POST", "runs", {"colour": "red"}, 400),
        ("POST", "runs", {"state": "HAPPY"}, 400),
        ("POST", "recurringruns", {"no_catchup": "yes"}, 400),
        ("POST", "recurringruns", {"trigger": {"cron_schedule": {"time_zone": "UTC"}}}, 400),
        ("POST", "pipelines/upload_version", None, 400),
    ],
)
def test_the_server_of_these_tests_refuses_what_is_not_in_the_api(
    cluster: Kfp, method: str, path: str, body: object, status: int
) -> None:
    address = f"{cluster.host}/apis/v2beta1/{path}"
    answer = urllib3.request(method, address, json=body)
    assert answer.status == status
    (complaint,) = cluster.complaints
    assert complaint.startswith(f"{method} /apis/v2beta1/{path}: ")
    cluster.complaints.clear()


@pytest.mark.parametrize("content", [b"a: b", b"root: {dag: {}, colour: red}", b"["])
def test_the_server_of_these_tests_takes_pipelines_only(content: bytes) -> None:
    with pytest.raises(Refusal, match="this is no pipeline"):
        read_pipeline(content)
