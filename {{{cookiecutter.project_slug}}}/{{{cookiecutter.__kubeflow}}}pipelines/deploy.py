"""Deploy the pipeline to a cluster: upload it, try it in a run, then move the schedule to it.

The schedule moves only after a run that succeeded: a deploy that fails changes neither the deployed
version nor its schedule. The run is a real one and may release a model.
"""

import hashlib
import re
import time
from importlib.metadata import version as version_of
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import kfp_server_api as kfp
import typer

from {{{ cookiecutter.package_name }}}.runtime import PROJECT
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput

from .schedule import alike, move_schedule, reference, schedule, schedules
from .server import DeployError, Server

COMPILED = Path("pipelines/training.yaml")
ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
POLL = 10.0  # seconds between two looks at a run

Parameters = dict[str, str | int]


def pin(compiled: str, image: str) -> str:
    """Return a compiled pipeline with `image` (registry/name:tag@sha256:…) in all of its tasks.

    Raises:
        BadInput: the image has no digest, that of another task has none, or this is no pipeline.
    """
    match = re.fullmatch(r"([\w.:/-]+?)(:[\w.-]+)?(@sha256:[0-9a-f]{64})", image, re.ASCII)
    if match is None:
        raise BadInput(
            f"The image {image!r} has no digest of 64 hex digits: give it as "
            "registry/name@sha256:…, which `docker push` prints."
        )
    ours = re.compile(rf"^( +image: ){PROJECT}:\S+$", re.MULTILINE)
    pinned, tasks = ours.subn(rf"\g<1>{match[1]}{match[3]}", compiled)
    if not tasks:
        raise BadInput(f"{COMPILED} has no task of {PROJECT}: write it with `make compile`.")
    for name in re.findall(r"^ +image: (.+)$", pinned, re.MULTILINE):
        if "@sha256:" not in name:
            raise BadInput(f"{COMPILED}: the image {name} has no digest: give it one.")
    return pinned


def deploy(server: Server, image: str, parameters: Parameters, minutes: float = 60) -> None:
    """Upload the pipeline, try it, and move the schedule to it; done again, it changes nothing.

    Args:
        server: the cluster.
        image: the image of this repository, with its digest.
        parameters: those of the run, such as `{"period": "2013-06"}`.
        minutes: how long the run may take.

    Raises:
        BadInput: something given is wrong; nothing was changed.
        DeployError: it failed; the schedule is as it was.
    """
    if not COMPILED.exists():
        raise BadInput(f"{COMPILED} does not exist: write it with `make compile`.")
    content = pin(COMPILED.read_text(encoding="utf-8"), image)
    if server.ask(server.health.healthz_service_get_healthz).multi_user and not server.namespace:
        raise BadInput(f"{server.host} has many users: set KFP_NAMESPACE to your namespace.")
    version = upload(server, content)
    experiment = get_experiment(server)
    wanted = schedule(version, experiment)
    in_place = [alike(found, wanted) for found in schedules(server, experiment)] == [True]
    if parameters or not in_place:
        run_once(server, version, experiment, parameters, minutes)
    if in_place:
        typer.echo(f"Version {version.name} is deployed, and its schedule is in place.")
    else:
        move_schedule(server, wanted)


def upload(server: Server, content: str) -> Any:
    """Return the version of the pipeline with this content; upload it if it is missing."""
    name = f"{version_of(PROJECT)}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
    pipelines = server.pipelines.pipeline_service_list_pipelines
    versions = server.pipelines.pipeline_service_list_pipeline_versions
    pipeline_id = server.create(
        lambda: server.find(PROJECT, "pipelines", pipelines, namespace=server.namespace),
        server.pipelines.pipeline_service_create_pipeline,
        kfp.V2beta1Pipeline(name=PROJECT, display_name=PROJECT, namespace=server.namespace),
    ).pipeline_id
    with TemporaryDirectory() as folder:
        file = Path(folder) / COMPILED.name
        file.write_text(content, encoding="utf-8")
        version = server.create(
            lambda: server.find(name, "pipeline_versions", versions, pipeline_id),
            server.uploads.upload_pipeline_version,
            str(file),
            name=name,
            pipelineid=pipeline_id,
        )
    typer.echo(f"Version {name} is on {server.host}.")
    return version


def get_experiment(server: Server) -> str:
    """Return the id of the experiment of this pipeline's runs; create it if it is missing."""
    listing = server.experiments.experiment_service_list_experiments
    experiment = server.create(
        lambda: server.find(PROJECT, "experiments", listing, namespace=server.namespace),
        server.experiments.experiment_service_create_experiment,
        kfp.V2beta1Experiment(display_name=PROJECT, namespace=server.namespace),
    )
    return str(experiment.experiment_id)


def run_once(
    server: Server, version: Any, experiment: str, parameters: Parameters, minutes: float
) -> None:
    """Start a run, print its states, and wait until it has succeeded.

    Raises:
        DeployError: it did not succeed, or not within `minutes`.
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
            service_account=PROJECT,
        ),
    )
    page = f"{server.host}/#/runs/details/{run.run_id}"
    typer.echo(f"Run {name}: {page}")
    deadline, seen = time.monotonic() + minutes * 60, ""
    while (state := run.state or "PENDING") not in ENDED:
        if state != seen:
            typer.echo(f"  {state}")
        if time.monotonic() > deadline:
            raise DeployError(
                f"The run takes longer than {minutes:g} minutes: see {page}; the schedule is as it "
                "was"
            )
        time.sleep(POLL)
        seen, run = state, server.ask(server.runs.run_service_get_run, run.run_id)
    typer.echo(f"  {state}")
    if state != "SUCCEEDED":
        raise DeployError(f"The run ended as {state}: see {page}; the schedule is as it was")
    tasks = (run.run_details and run.run_details.task_details) or []
    if not any(task.display_name == "report" and task.state == state for task in tasks):
        typer.echo("  The period is done already. PERIOD=… tries another one.")
