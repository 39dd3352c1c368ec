"""Deploy the pipeline to a cluster: what `make deploy` calls.

The new version is uploaded and tried in a run; only when that succeeded does the schedule move to
it. So a deploy that fails leaves the version that is running, and its schedule, as they were. The
run is a real one: it may release a model.
"""

import hashlib
import re
import time
from importlib.metadata import version as version_of
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from uuid import uuid4

import kfp_server_api as kfp
import typer
import yaml

from {{{ cookiecutter.package_name }}}.errors import BadInput
from {{{ cookiecutter.package_name }}}.months import parse_month

from .schedule import (
    CRON,
    TIME_ZONE,
    alike,
    move_schedule,
    reference,
    schedule,
    schedules,
    server_cron,
)
from .server import NAME, DeployError, Server, leave_in_a_sentence

PIPELINE_FILE = Path("kubeflow/pipeline.yaml")

ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")

Parameters = dict[str, str | int]


def pinned(text: str, image: str) -> list[Any]:
    """Return the documents of a compiled pipeline, with an image by its digest in all tasks.

    Args:
        text: what `make compile` wrote.
        image: the image of this repository, such as registry/name:tag@sha256:...; the tag may
            be missing.

    Raises:
        BadInput: the image has no digest, or one of another task has none, or this is no pipeline.
    """
    match = re.fullmatch(r"([\w.:/-]+?)(:[\w.-]+)?(@sha256:[0-9a-f]{64})", image, re.ASCII)
    if match is None:
        raise BadInput(
            f"The image {image!r} has no digest of 64 hex digits: give it as "
            "registry/name@sha256:…, which `docker push` prints."
        )
    try:
        documents = [document for document in yaml.safe_load_all(text) if document]
        executors = documents[0]["deploymentSpec"]["executors"]
    except (yaml.YAMLError, LookupError, TypeError):
        raise BadInput(f"{PIPELINE_FILE} is no pipeline: `make compile` writes it.") from None
    for executor in executors.values():
        container = executor.get("container", {})
        name = container.get("image", "")
        if name.partition(":")[0] == NAME:
            container["image"] = match[1] + match[3]
        elif name and "@sha256:" not in name:
            raise BadInput(f"{PIPELINE_FILE}: the image {name} has no digest: give it one.")
    return documents


def check_parameters(spec: Any, parameters: Parameters) -> None:
    """See that a run can be started with these parameters.

    Raises:
        BadInput: the pipeline has no such parameter, or a value is wrong.
    """
    known = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    if unknown := sorted(parameters.keys() - known.keys()):
        raise BadInput(f"No such parameter: {unknown[0]}; the pipeline has {', '.join(known)}.")
    if "period" in parameters:
        parse_month(str(parameters["period"]))
    window = parameters.get("window", 2)
    if not isinstance(window, int) or window < 2:
        raise BadInput(f"The window is {window!r}: give a number of months, at least 2.")


def deploy(
    server: Server,
    image: str,
    parameters: Parameters | None = None,
    *,
    run: bool | None = None,
    cron: str = CRON,
    time_zone: str = TIME_ZONE,
    minutes: float = 60,
    poll: float = 10,
) -> None:
    """Upload the pipeline, try it in a run, and let the schedule run it from now on.

    Done again, it finds all in place and changes nothing.

    Args:
        server: where to.
        image: the image of this repository, with its digest.
        parameters: those of the run, such as `{"period": "2013-06"}`.
        run: whether to start a run; without it, where something changes or parameters are given.
        cron: when it runs; six fields, of which the first is seconds.
        time_zone: in which the cron is meant.
        minutes: how long to wait for the run.
        poll: seconds between two looks at it.

    Raises:
        BadInput: something given is wrong; then nothing was sent.
        DeployError: it did not succeed; the schedule is as it was.
    """
    parameters = parameters or {}
    cron = server_cron(cron, time_zone, server.time_zone)
    if not PIPELINE_FILE.exists():
        raise BadInput(f"{PIPELINE_FILE} is not here: `make compile` writes it.")
    documents = pinned(PIPELINE_FILE.read_text(encoding="utf-8"), image)
    check_parameters(documents[0], parameters)
    if parameters and run is False:
        raise BadInput("A period or a window is for a run: leave them out, or --no-run.")
    if server.ask(server.health.healthz_service_get_healthz).multi_user and not server.namespace:
        raise BadInput(f"{server.host} has many users: set KFP_NAMESPACE to your namespace.")

    version = upload(server, documents)
    experiment = the_experiment(server)
    wanted = schedule(version, experiment, cron)
    in_place = [alike(found, wanted) for found in schedules(server, experiment)] == [True]
    if parameters or run or (run is None and not in_place):
        try_out(server, version, experiment, parameters, minutes=minutes, poll=poll)
    if in_place:
        typer.echo(f"Version {version.name} is deployed, and its schedule in place.")
    else:
        move_schedule(server, wanted)


def upload(server: Server, documents: list[Any]) -> Any:
    """Return the version of the pipeline with this content; upload it, unless it is there."""
    content = yaml.safe_dump_all(documents, sort_keys=False).encode()
    name = f"{version_of(NAME)}-{hashlib.sha256(content).hexdigest()[:8]}"
    pipelines = server.pipelines.pipeline_service_list_pipelines
    versions = server.pipelines.pipeline_service_list_pipeline_versions
    pipeline_id = server.create(
        lambda: server.find(NAME, "pipelines", pipelines, namespace=server.namespace),
        server.pipelines.pipeline_service_create_pipeline,
        kfp.V2beta1Pipeline(name=NAME, display_name=NAME, namespace=server.namespace),
    ).pipeline_id
    with TemporaryDirectory() as folder:
        file = Path(folder) / PIPELINE_FILE.name
        file.write_bytes(content)
        version = server.create(
            lambda: server.find(name, "pipeline_versions", versions, pipeline_id),
            server.uploads.upload_pipeline_version,
            str(file),
            name=name,
            pipelineid=pipeline_id,
        )
    typer.echo(f"Version {name} is on {server.host}.")
    return version


def the_experiment(server: Server) -> str:
    """Return the id of the experiment of this pipeline's runs; create it, unless it is there."""
    listing = server.experiments.experiment_service_list_experiments
    experiment = server.create(
        lambda: server.find(NAME, "experiments", listing, namespace=server.namespace),
        server.experiments.experiment_service_create_experiment,
        kfp.V2beta1Experiment(display_name=NAME, namespace=server.namespace),
    )
    return str(experiment.experiment_id)


def try_out(
    server: Server,
    version: Any,
    experiment: str,
    parameters: Parameters,
    *,
    minutes: float,
    poll: float,
) -> None:
    """Start a run, and wait until it has succeeded.

    Raises:
        DeployError: it did not, or not in time.
    """
    name = f"{version.name}-{parameters.get('period', 'newest')}-{uuid4().hex[:6]}"
    listing = server.runs.run_service_list_runs
    run = server.create(
        lambda: server.find(name, "runs", listing, experiment_id=experiment),
        server.runs.run_service_create_run,
        kfp.V2beta1Run(
            display_name=name,
            experiment_id=experiment,
            pipeline_version_reference=reference(version),
            runtime_config=kfp.V2beta1RuntimeConfig(parameters=parameters),
            service_account=NAME,
        ),
    )
    page = f"{server.host}/#/runs/details/{run.run_id}"
    typer.echo(f"Run {name}: {page}")
    deadline = time.monotonic() + minutes * 60
    state = ""
    while True:
        before, state = state, run.state or "PENDING"
        if state != before:
            typer.echo(f"  {state}")
        if state in ENDED:
            break
        if time.monotonic() > deadline:
            raise DeployError(
                f"The run did not end within {minutes:g} minutes, and goes on: see {page}; the "
                "schedule is as it was"
            )
        time.sleep(poll)
        run = server.ask(server.runs.run_service_get_run, run.run_id)
    if state != "SUCCEEDED":
        raise DeployError(f"The run ended as {state}: see {page}; the schedule is as it was")
    tasks = (run.run_details and run.run_details.task_details) or []
    if not any(task.display_name == "report" and task.state == state for task in tasks):
        typer.echo("  It had nothing to do: this work is done. PERIOD=… tries another month.")


ENVIRONMENT = """The environment says where to: KFP_HOST; where needed KFP_TOKEN, KFP_NAMESPACE and
KFP_CA, the file of a certificate's authority; and KFP_TIME_ZONE, in which the server reads crons.

Exit codes: 0 done; 1 failed; 2 refused input."""

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None)


@app.command(help=f"{__doc__}\n{ENVIRONMENT}")
def submit(
    *,
    image: Annotated[str, typer.Option(envvar="IMAGE", help="With its digest.")] = "",
    period: Annotated[
        str, typer.Option(envvar="PERIOD", help="Try it on this month; else on the newest.")
    ] = "",
    window: Annotated[
        int | None, typer.Option(help="Months to train on; else as params.yaml says.")
    ] = None,
    run: Annotated[
        bool | None,
        typer.Option("--run/--no-run", help="Try it first; else where something changes."),
    ] = None,
    cron: Annotated[str, typer.Option(help="Six fields, seconds first.")] = CRON,
    time_zone: Annotated[str, typer.Option(help="In which the cron is meant.")] = TIME_ZONE,
    timeout: Annotated[float, typer.Option(help="Minutes to wait for the run.")] = 60,
    poll: Annotated[float, typer.Option(hidden=True)] = 10,
    pause: Annotated[float, typer.Option(hidden=True)] = 1,
    request_timeout: Annotated[float, typer.Option(hidden=True)] = 20,
) -> None:
    """Deploy from the command line."""
    server = Server.of_environment(seconds=request_timeout, pause=pause)
    given = {"period": period or None, "window": window}
    deploy(
        server,
        image,
        {name: value for name, value in given.items() if value is not None},
        run=run,
        cron=cron,
        time_zone=time_zone,
        minutes=timeout,
        poll=poll,
    )


def main() -> None:
    """Deploy; say in one sentence what went wrong."""
    with leave_in_a_sentence():
        app()


if __name__ == "__main__":
    main()
