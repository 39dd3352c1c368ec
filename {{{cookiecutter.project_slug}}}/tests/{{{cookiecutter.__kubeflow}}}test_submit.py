"""Deploys to a server that speaks KFP's API: in order, disturbed, and refused."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from copy import copy
from datetime import datetime, timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import urllib3
import yaml
from kfp_server_api import V2beta1RuntimeConfig

from {{{ cookiecutter.package_name }}}.errors import BadInput

from kubeflow.schedule import alike, schedule, server_cron
from kubeflow.server import NAME, DeployError, Server
from kubeflow.submit import PIPELINE_FILE, deploy

from .conftest import ROOT
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
ANEW = [CREATE_PIPELINE, UPLOAD, CREATE_EXPERIMENT, RUN, CREATE]
UPDATE = [UPLOAD, RUN, CREATE, DELETE]


def plan(period: str, window: int) -> None:
    """Do nothing: a component of a pipeline that is small."""


def small(period: str = "", window: int = 0) -> None:
    """A pipeline with the parameters of the real one, which takes longer to read and write."""
    from kfp import dsl

    image = f"{NAME}:0.1.0"
    dsl.component(plan, base_image=image, install_kfp_package=False)(period=period, window=window)


def compiled(pipeline: Any, file: Path) -> str:
    """Return what `make compile` writes."""
    from kfp.compiler import Compiler

    Compiler().compile(pipeline, str(file))
    return file.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def small_one(tmp_path_factory: pytest.TempPathFactory) -> str:
    from kfp import dsl

    file = tmp_path_factory.mktemp("small") / PIPELINE_FILE.name
    return compiled(dsl.pipeline(small, name=NAME), file)


@pytest.fixture(scope="module")
def real_one(tmp_path_factory: pytest.TempPathFactory) -> str:
    from kubeflow.pipeline import training

    return compiled(training, tmp_path_factory.mktemp("real") / PIPELINE_FILE.name)


@pytest.fixture(autouse=True)
def folder(small_one: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own, with a project in it, which is also the current folder."""
    file = tmp_path / "project" / PIPELINE_FILE
    file.parent.mkdir(parents=True)
    file.write_text(small_one, encoding="utf-8")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path


@pytest.fixture
def cluster() -> Iterator[Kfp]:
    with serving() as state:
        yield state


def do(cluster: Kfp, image: str = FIRST, *, seconds: float = 0.5, **given: Any) -> None:
    """Deploy from this process."""
    server = Server(cluster.host, TOKEN, seconds=seconds, pause=0.01)
    deploy(server, image, minutes=0.2, poll=0.01, **given)


def cli(host: str, folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Deploy as `make deploy` does."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    quick = ["--timeout=0.2", "--poll=0.01", "--pause=0.01"]
    settings = {"KFP_HOST": host, "KFP_TOKEN": TOKEN, "IMAGE": FIRST, "HOME": str(home)}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KFP_")}
    done = subprocess.run(
        [sys.executable, "-m", "kubeflow.submit", *quick, *words],
        env=inherited | {"PYTHONPATH": str(ROOT)} | settings | env,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert TOKEN not in done.stdout + done.stderr
    assert not list(home.iterdir())
    return done


def sentence(done: subprocess.CompletedProcess[str], code: int) -> str:
    """Return the one sentence with which a deploy ends badly."""
    assert done.returncode == code, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert line.endswith(".")
    return line.removeprefix("error: ")


def version_of_the_schedule(cluster: Kfp) -> str:
    """Return the id of the version that the one recurring run is of."""
    (recurring,) = cluster.recurring
    assert recurring.status == "ENABLED"
    return str(recurring.pipeline_version_reference.pipeline_version_id)


def test_the_first_deploy(cluster: Kfp, folder: Path, real_one: str) -> None:
    PIPELINE_FILE.write_text(real_one, encoding="utf-8")
    cluster.token = TOKEN
    done = cli(cluster.host, folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert cluster.changes == ANEW
    (version,) = cluster.versions
    assert re.fullmatch(r"\d+\.\d+\.\d+-[0-9a-f]{8}", version.name)
    (run,) = cluster.runs
    assert (run.state, run.runtime_config.parameters) == ("SUCCEEDED", {})
    assert run.pipeline_version_reference.pipeline_version_id == version.pipeline_version_id
    assert f"{cluster.host}/#/runs/details/{run.run_id}\n  PENDING\n  RUNNING\n" in done.stdout
    (experiment,) = cluster.experiments
    assert run.experiment_id == experiment.experiment_id
    assert (experiment.display_name, cluster.pipelines[0].name) == (NAME, NAME)
    assert version_of_the_schedule(cluster) == version.pipeline_version_id
    (recurring,) = cluster.recurring
    assert recurring.experiment_id == experiment.experiment_id
    assert recurring.trigger.cron_schedule.cron == "0 0 11 2 * *"
    assert recurring.no_catchup is True
    assert recurring.max_concurrency == "1"
    assert recurring.service_account == run.service_account == NAME
    assert recurring.runtime_config.parameters == {}


def test_the_same_deploy_again_changes_nothing(cluster: Kfp, folder: Path) -> None:
    do(cluster)
    cluster.requests.clear()
    done = cli(cluster.host, folder)
    assert done.returncode == 0, done.stderr
    assert cluster.changes == []
    assert "is deployed, and its schedule in place" in done.stdout


def test_a_new_version_takes_over(cluster: Kfp) -> None:
    do(cluster)
    cluster.requests.clear()
    do(cluster, SECOND)
    assert cluster.changes == UPDATE
    assert version_of_the_schedule(cluster) == cluster.versions[1].pipeline_version_id
    tried, scheduled = cluster.runs[1], cluster.recurring[0]
    assert tried.pipeline_version_reference == scheduled.pipeline_version_reference


def test_another_cron_takes_over_without_an_upload(cluster: Kfp) -> None:
    do(cluster)
    cluster.requests.clear()
    do(cluster, cron="0 30 7 1 * *", time_zone="Europe/Berlin", run=False)
    assert cluster.changes == [CREATE, DELETE]
    assert cluster.recurring[0].trigger.cron_schedule.cron == "0 30 6 1 * *"


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
    do(cluster)
    former = copy(cluster.recurring[0])
    setattr(cluster.recurring[0], setting, value)
    cluster.requests.clear()
    do(cluster, run=False)
    assert cluster.changes == [CREATE, DELETE]
    assert alike(cluster.recurring[0], former)


def test_all_images_that_arrive_are_pinned(cluster: Kfp, real_one: str) -> None:
    PIPELINE_FILE.write_text(real_one, encoding="utf-8")
    do(cluster, run=False)
    (content,) = cluster.uploads
    assert f"{NAME}:".encode() not in content
    spec, platform = yaml.safe_load_all(real_one)
    executors = spec["deploymentSpec"]["executors"].values()
    assert len(executors) > 5
    for executor in executors:
        assert executor["container"]["image"].startswith(f"{NAME}:")
        executor["container"]["image"] = f"{IMAGE}@sha256:{'1' * 64}"
    assert list(yaml.safe_load_all(content)) == [spec, platform]
    assert PIPELINE_FILE.read_text(encoding="utf-8") == real_one


def change_the_image(image: str) -> None:
    """Let the task of the small pipeline have an image of its own."""
    spec = yaml.safe_load(PIPELINE_FILE.read_text(encoding="utf-8"))
    spec["deploymentSpec"]["executors"]["exec-plan"]["container"]["image"] = image
    PIPELINE_FILE.write_text(yaml.safe_dump(spec), encoding="utf-8")


def test_another_image_is_left_alone_if_it_has_a_digest(cluster: Kfp) -> None:
    change_the_image(f"busybox@sha256:{'3' * 64}")
    do(cluster, run=False)
    assert f"busybox@sha256:{'3' * 64}".encode() in cluster.uploads[0]
    change_the_image("busybox:latest")
    cluster.requests.clear()
    with pytest.raises(BadInput, match="the image busybox:latest has no digest"):
        do(cluster)
    assert cluster.requests == []


def test_a_run_with_parameters(cluster: Kfp, folder: Path) -> None:
    do(cluster, run=False)
    cluster.requests.clear()
    done = cli(cluster.host, folder, "--period", "2013-06", "--window", "4")
    assert done.returncode == 0, done.stderr
    assert cluster.changes == [RUN]
    assert cluster.runs[0].runtime_config.parameters == {"period": "2013-06", "window": 4}
    assert "-2013-06-" in cluster.runs[0].display_name


def test_a_run_may_be_asked_for_or_left_out(cluster: Kfp) -> None:
    do(cluster, run=False)
    assert cluster.changes == [change for change in ANEW if change != RUN]
    cluster.requests.clear()
    do(cluster, run=True)
    assert cluster.changes == [RUN]


@pytest.mark.parametrize("outcome", ["FAILED", "CANCELED", "SKIPPED"])
def test_a_run_that_fails_leaves_the_schedule(cluster: Kfp, folder: Path, outcome: str) -> None:
    do(cluster)
    before = cluster.recurring.copy()
    cluster.outcome = outcome
    done = cli(cluster.host, folder, IMAGE=SECOND)
    said = sentence(done, 1)
    assert said.startswith(f"The run ended as {outcome}: see {cluster.host}/#/runs/details/")
    assert cluster.recurring == before


def test_a_run_that_does_not_end_leaves_the_schedule(cluster: Kfp, folder: Path) -> None:
    do(cluster)
    before = cluster.recurring.copy()
    cluster.outcome = "RUNNING"
    done = cli(cluster.host, folder, "--timeout", "0.005", IMAGE=SECOND)
    assert sentence(done, 1).startswith("The run did not end within 0.005 minutes, and goes on")
    assert cluster.recurring == before


def test_a_schedule_that_was_switched_off_stays_off(
    cluster: Kfp, capsys: pytest.CaptureFixture[str]
) -> None:
    do(cluster)
    cluster.recurring[0].status = "DISABLED"
    do(cluster, SECOND)
    (recurring,) = cluster.recurring
    assert recurring.status == "DISABLED"
    assert "it is switched off" in capsys.readouterr().out


def test_of_several_schedules_one_is_left(cluster: Kfp) -> None:
    do(cluster)
    kept = cluster.recurring[0]
    for cron in ("1 1 1 1 * *", "2 2 2 2 * *", kept.trigger.cron_schedule.cron):
        request = schedule(cluster.versions[0], kept.experiment_id, cron)
        cluster.recurring_run_service_create_recurring_run(request)
    do(cluster)
    assert cluster.recurring == [kept]


def test_what_others_made_is_left_alone(cluster: Kfp) -> None:
    do(cluster)
    version, experiment = cluster.versions[0], cluster.recurring[0].experiment_id
    for _ in range(3):
        mine = schedule(version, experiment, "1 1 1 1 * *")
        mine.display_name = "mine"
        cluster.recurring_run_service_create_recurring_run(mine)
    elsewhere = type(cluster.experiments[0])(display_name="elsewhere")
    cluster.experiment_service_create_experiment(elsewhere)
    twin = schedule(version, elsewhere.experiment_id, "1 1 1 1 * *")
    cluster.recurring_run_service_create_recurring_run(twin)
    others = cluster.recurring[1:]
    do(cluster, SECOND)
    assert cluster.recurring[:-1] == others
    assert len(cluster.recurring) == 5


def test_a_run_that_has_nothing_to_do_says_so(cluster: Kfp, folder: Path) -> None:
    assert "nothing to do" not in cli(cluster.host, folder).stdout
    cluster.last_task = "plan"
    assert "It had nothing to do: this work is done" in cli(cluster.host, folder, "--run").stdout


class Disturbance:
    """Something that goes wrong in requests for one operation, the first times or for good."""

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
def test_a_change_that_fails_for_good_leaves_the_former_schedule_alone(
    cluster: Kfp, operation: str, wrong: int | str
) -> None:
    do(cluster)
    before = cluster.recurring.copy()
    cluster.requests.clear()
    cluster.fault = Disturbance(operation, wrong)
    with pytest.raises(DeployError, match=r"\(403\)|again and again|nothing for"):
        do(cluster, SECOND, seconds=0.05)
    tries = 1 if wrong == 403 else Server.TRIES
    undone = operation == DELETE  # by deleting the new one
    assert cluster.changes.count(operation) == tries + undone
    assert cluster.recurring == before
    assert version_of_the_schedule(cluster) == cluster.versions[0].pipeline_version_id

    cluster.fault = lambda _: 0
    do(cluster, SECOND)
    assert version_of_the_schedule(cluster) == cluster.versions[-1].pipeline_version_id
    assert len(cluster.versions) == 2


@pytest.mark.parametrize("operation", [*ANEW, DELETE])
@pytest.mark.parametrize("wrong", [500, 503, "lose"])
def test_a_change_that_fails_at_first_is_made_once(
    cluster: Kfp, operation: str, wrong: int | str
) -> None:
    if operation == DELETE:
        do(cluster)
    cluster.fault = Disturbance(operation, wrong, times=2 if wrong == 500 else 1)
    do(cluster, SECOND)
    assert version_of_the_schedule(cluster) == cluster.versions[-1].pipeline_version_id
    made = (cluster.pipelines, cluster.experiments, cluster.recurring)
    assert [len(each) for each in made] == [1, 1, 1]
    assert len(cluster.versions) == len(cluster.runs) == 1 + (operation == DELETE)


@pytest.mark.parametrize("operation", ["healthz_service_get_healthz", "run_service_get_run"])
def test_a_question_that_fails_at_first_is_asked_again(cluster: Kfp, operation: str) -> None:
    cluster.fault = Disturbance(operation, 502, times=2)
    do(cluster)
    assert cluster.runs[0].state == "SUCCEEDED"


def test_a_schedule_whose_answers_are_all_lost_does_not_stay_twice(cluster: Kfp) -> None:
    do(cluster)
    cluster.fault = Disturbance(DELETE, "lose")
    do(cluster, SECOND)  # deleted at the first try; the next finds it gone, its answer is lost too
    assert version_of_the_schedule(cluster) == cluster.versions[1].pipeline_version_id


def test_a_schedule_that_another_deploy_makes_meanwhile_is_left(cluster: Kfp) -> None:
    do(cluster)
    version, experiment = cluster.versions[0], cluster.recurring[0].experiment_id
    theirs = schedule(version, experiment, "1 1 1 1 * *")
    fails = Disturbance(DELETE, 403)

    def comes_first(request: Request) -> int | str:
        if request.route.name == DELETE and theirs not in cluster.recurring:
            cluster.recurring_run_service_create_recurring_run(theirs)
        return fails(request)

    before = cluster.recurring.copy()
    cluster.fault = comes_first
    with pytest.raises(DeployError, match="403"):
        do(cluster, SECOND)
    assert cluster.recurring == [*before, theirs]


def test_where_the_new_schedule_cannot_be_deleted_either_it_is_said(cluster: Kfp) -> None:
    do(cluster)
    cluster.fault = lambda request: 500 if request.route.name == DELETE else 0
    with pytest.raises(DeployError, match="there may be two recurring runs"):
        do(cluster, SECOND)
    cluster.fault = lambda _: 0
    do(cluster, SECOND)
    assert version_of_the_schedule(cluster) == cluster.versions[1].pipeline_version_id


def test_a_version_that_another_deploy_uploads_meanwhile_is_taken(cluster: Kfp) -> None:
    def first(request: Request) -> int:
        if request.route.name != UPLOAD:
            return 0
        cluster.upload_pipeline_version(request.body, **request.query)
        return 409

    cluster.fault = first
    do(cluster)
    assert version_of_the_schedule(cluster) == cluster.versions[0].pipeline_version_id
    assert cluster.changes == ANEW


def test_a_conflict_without_a_cause_is_no_success(cluster: Kfp) -> None:
    cluster.fault = Disturbance(UPLOAD, 409)
    with pytest.raises(DeployError, match=r"refused a request \(409\)"):
        do(cluster)
    assert cluster.recurring == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (401, "wants a valid token (401): KFP_TOKEN is missing, wrong or expired"),
        (302, "wants a valid token (302)"),
        (403, "does not allow this (403): told to refuse Bearer ***"),
        (404, "refused a request (404): told to refuse"),
        (500, "failed (500), again and again: told to refuse"),
        ("hang", "does not answer: there was nothing for 0.1 seconds"),
        ("lose", "does not answer: see whether KFP_HOST is right"),
    ],
)
def test_a_server_that_does_not_do_its_work(
    cluster: Kfp, folder: Path, wrong: int | str, said: str
) -> None:
    cluster.fault = lambda _: wrong
    done = cli(cluster.host, folder, "--request-timeout=0.1")
    assert sentence(done, 1).startswith(f"{cluster.host} {said}")
    assert cluster.changes == []


def test_a_token_that_is_wrong_or_missing(cluster: Kfp, folder: Path) -> None:
    cluster.token = "another"  # noqa: S105
    for token in (TOKEN, ""):
        done = cli(cluster.host, folder, KFP_TOKEN=token)
        assert "KFP_TOKEN is missing, wrong or expired" in sentence(done, 1)


def test_a_server_that_is_not_there(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        host = f"http://127.0.0.1:{free.getsockname()[1]}"
    said = sentence(cli(host, folder), 1)
    assert said.startswith(f"{host} does not answer: see whether KFP_HOST is right, and the port")


def test_a_page_instead_of_the_api(folder: Path) -> None:
    page = folder / "project/apis/v2beta1/healthz"
    page.parent.mkdir(parents=True)
    page.write_text("<p>Welcome</p>")
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as other:
        Thread(target=other.serve_forever, args=(0.02,), daemon=True).start()
        host = f"http://127.0.0.1:{other.server_port}"
        said = sentence(cli(host, folder), 1)
        other.shutdown()
    assert said == f"{host} answers, but not as Kubeflow Pipelines does: correct KFP_HOST."


def test_an_installation_with_many_users(cluster: Kfp, folder: Path) -> None:
    cluster.multi_user = True
    with pytest.raises(BadInput, match="set KFP_NAMESPACE"):
        do(cluster)
    assert cluster.changes == []
    for _ in range(2):
        assert cli(cluster.host, folder, KFP_NAMESPACE="team").returncode == 0
    assert cluster.changes == ANEW
    assert cluster.pipelines[0].namespace == cluster.experiments[0].namespace == "team"


@pytest.mark.parametrize(
    ("words", "env", "said"),
    [
        ((), {"IMAGE": f"{NAME}:0.1.0"}, f"The image '{NAME}:0.1.0' has no digest"),
        ((), {"IMAGE": FIRST[:-1]}, "The image "),
        ((), {"IMAGE": ""}, "The image '' has no digest"),
        (("--period", "2013-6"), {}, "'2013-6' is not a month"),
        (("--window", "1"), {}, "The window is 1: give a number of months, at least 2"),
        (("--window", "0"), {}, "The window is 0: give a number of months, at least 2"),
        (("--no-run", "--period", "2013-06"), {}, "A period or a window is for a run"),
        (("--cron", "0 6 2 * *"), {}, "The cron '0 6 2 * *' must have six fields"),
        (("--time-zone", "Mars/Olympus"), {}, "--time-zone is 'Mars/Olympus': give one such as"),
        ((), {"KFP_TIME_ZONE": "Local"}, "KFP_TIME_ZONE is 'Local': give one such as"),
        ((), {"KFP_HOST": ""}, "KFP_HOST is ''"),
        ((), {"KFP_TOKEN": f"Bearer {TOKEN}"}, "KFP_TOKEN is no token"),
        ((), {"KFP_CA": "nowhere.pem"}, "KFP_CA is 'nowhere.pem': there is no such file"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_sent(
    cluster: Kfp, folder: Path, words: tuple[str, ...], env: dict[str, str], said: str
) -> None:
    assert sentence(cli(cluster.host, folder, *words, **env), 2).startswith(said)
    assert cluster.requests == []


def test_an_unknown_parameter_is_refused(cluster: Kfp) -> None:
    with pytest.raises(BadInput, match="No such parameter: perod; the pipeline has period, window"):
        do(cluster, parameters={"perod": "2013-06"})
    assert cluster.requests == []


@pytest.mark.parametrize("content", [None, "", "a: [", "a: b"])
def test_what_is_no_pipeline_is_refused(cluster: Kfp, content: str | None) -> None:
    PIPELINE_FILE.unlink()
    if content is not None:
        PIPELINE_FILE.write_text(content)
    with pytest.raises(BadInput, match=r"kubeflow/pipeline\.yaml is .*`make compile` writes it"):
        do(cluster)
    assert cluster.requests == []


@pytest.mark.parametrize(
    ("cron", "zone", "server_zone", "given"),
    [
        ("0 0 6 2 * *", "America/New_York", "UTC", "0 0 11 2 * *"),
        ("0 0 6 2 * *", "America/New_York", "America/New_York", "0 0 6 2 * *"),
        ("0 0 6 2 * *", "America/New_York", "America/Toronto", "0 0 6 2 * *"),
        ("0 0 6 2 * *", "UTC", "Asia/Kolkata", "0 30 11 2 * *"),
        ("0 0 6 * * MON", "Europe/Berlin", "UTC", "0 0 5 * * MON"),
        ("0 */5 * * * *", "UTC", "UTC", "0 */5 * * * *"),
    ],
)
def test_a_cron_in_the_time_zone_of_the_server(
    cron: str, zone: str, server_zone: str, given: str
) -> None:
    assert server_cron(cron, zone, server_zone) == given


@pytest.mark.parametrize("cron", ["0 0 23 2 * *", "0 */5 * * * *", "0 0 6-8 2 * *"])
def test_a_cron_that_cannot_be_said_in_the_time_zone_of_the_server(cron: str) -> None:
    with pytest.raises(BadInput, match="cannot be said in UTC"):
        server_cron(cron, "America/New_York", "UTC")


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Australia/Sydney"])
def test_a_run_starts_at_its_time_or_an_hour_after_it(zone: str) -> None:
    _, minute, hour, *_ = server_cron("0 0 12 2 * *", zone, "UTC").split()
    late = set()
    for month in range(1, 13):
        starts = datetime(2026, month, 2, int(hour), int(minute), tzinfo=ZoneInfo("UTC"))
        there = starts.astimezone(ZoneInfo(zone))
        late.add(timedelta(hours=there.hour, minutes=there.minute) - timedelta(hours=12))
    assert late == {timedelta(), timedelta(hours=1)}


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
