"""The training pipeline for Kubeflow Pipelines: its components, and the graph that connects them.

`make compile` writes it to `training.yaml`, which the cluster runs; `make run` runs it locally.
KFP cuts each component out of this file and runs it in the image of this repository, which holds
the package and this folder: a component imports what it calls and installs nothing.
"""

import functools
from importlib.metadata import version
from typing import NamedTuple

from kfp import dsl, kubernetes
from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Model, Output

from {{{ cookiecutter.package_name }}}.runtime import PROJECT
{% if cookiecutter.tracker == "wandb" %}
from {{{ cookiecutter.package_name }}}.runtime.registry import wandb_client
{% endif %}

IMAGE = f"{PROJECT}:{version(PROJECT)}"  # `make deploy` replaces the tag with a digest
USER = 10001  # of the image

component = functools.partial(dsl.component, base_image=IMAGE, install_kfp_package=False)


@component
def plan(period: str, window: int, job: str) -> NamedTuple(  # type: ignore[valid-type]
    "Planned", [("Output", str), ("reason", str), ("run", dict), ("periods", list)]
):
    """Decide what the run works on: `planned`, `nothing_new` or `refused`."""
    from pipelines.tasks import plan_job

    return plan_job(period, window, job)


@component
def refuse(reason: str) -> None:
    """Fail with the reason. KFP retries every task that fails, so `plan` does not do it."""
    raise SystemExit(f"refused: {reason}")


@component
def ingest(run: dict[str, str], period: str, raw: Output[Dataset]) -> None:
    """Copy a period from the source."""
    from {{{ cookiecutter.package_name }}}.runtime.steps.ingest import ingest

    from pipelines.tasks import fill, run_step

    manifest, _ = run_step(ingest, run, period)
    fill(raw, manifest)


@component
def validate(run: dict[str, str], raw: Input[list[Dataset]], quality: Output[Artifact]) -> str:
    """Check the periods against the schemas; return `good` or `bad`."""
    from {{{ cookiecutter.package_name }}}.runtime.steps.validate import validate

    from pipelines.tasks import fill, run_step

    found, _ = run_step(validate, run)
    fill(quality, found)
    return "good" if found.good else "bad"


@component
def quarantine(run: dict[str, str], quality: Input[Artifact], findings: Output[Artifact]) -> str:
    """Set bad data aside; return the reason."""
    from {{{ cookiecutter.package_name }}}.runtime.steps.quarantine import quarantine

    from pipelines.tasks import fill, run_step

    quarantined, _ = run_step(quarantine, run)
    fill(findings, quarantined)
    return str(quality.metadata["reason"])


@component
def snapshot(run: dict[str, str], quality: Input[Artifact], data: Output[Dataset]) -> list[str]:
    """Store the exact data under a version; return the good periods that are to be joined."""
    from {{{ cookiecutter.package_name }}}.runtime.run import Run
    from {{{ cookiecutter.package_name }}}.runtime.run.checkpoint import undone
    from {{{ cookiecutter.package_name }}}.runtime.steps.features import features
    from {{{ cookiecutter.package_name }}}.runtime.steps.snapshot import snapshot
    from {{{ cookiecutter.package_name }}}.runtime.steps.validate import good_periods

    from pipelines.tasks import fill, run_step

    stored, _ = run_step(snapshot, run)
    fill(data, stored)
    this = Run.model_validate(run)
    return undone(features, this, good_periods(this))


@component
def features(
    run: dict[str, str], period: str, data: Input[Dataset], table: Output[Dataset]
) -> None:
    """Build the feature table of a period."""
    from {{{ cookiecutter.package_name }}}.runtime.steps.features import features

    from pipelines.tasks import fill, run_step

    built, _ = run_step(features, run, period)
    fill(table, built)


@component
def train(run: dict[str, str], tables: Input[list[Dataset]], model: Output[Model]) -> None:
    """Fit the model."""
    from {{{ cookiecutter.package_name }}}.runtime.steps.train import train

    from pipelines.tasks import fill, run_step

    trained, folder = run_step(train, run)
    fill(model, trained, folder.model)


@component
def evaluate(
    run: dict[str, str], model: Input[Model], evaluation: Output[Artifact], metrics: Output[Metrics]
) -> None:
    """Compare the challenger with the champion."""
    from {{{ cookiecutter.package_name }}}.runtime.steps.evaluate import evaluate

    from pipelines.tasks import fill, run_step

    evaluated, _ = run_step(evaluate, run)
    fill(evaluation, evaluated)
    champion = evaluated.champion_metrics or {}
    named = evaluated.metrics | {f"champion_{name}": value for name, value in champion.items()}
    for name, value in named.items():
        metrics.log_metric(name, value)


@component
def release(run: dict[str, str], evaluation: Input[Artifact], outcome: Output[Artifact]) -> str:
    """Promote the challenger if it is better; return the reason."""
    from {{{ cookiecutter.package_name }}}.runtime.steps.release import release

    from pipelines.tasks import fill, run_step

    released, _ = run_step(release, run)
    fill(outcome, released)
    return str(released.reason)


@component
def report(run: dict[str, str], ended: str, page: Output[HTML], result: Output[Artifact]) -> None:
    """Write the result and the report."""
    from {{{ cookiecutter.package_name }}}.runtime.steps.report import report

    from pipelines.tasks import ORCHESTRATOR, fill, run_step

    written, folder = run_step(report, run, ORCHESTRATOR)
    fill(result, written)
    fill(page, written, folder.report)


@component
def notice(job: str, period: str, window: int) -> None:
    """Send the alert of how the run ended."""
    from pipelines.tasks import notice

    notice(job, period, window)


def sized(
    task: dsl.PipelineTask, *, minutes: int, cpu: float, memory: str, cached: bool = False
) -> dsl.PipelineTask:
    """Give a task a time limit in minutes, cores, memory, retries, volumes and settings.

    The time limit counts from when the image is pulled, and a task that meets it is retried.
    `cached` lets KFP reuse outputs: not of a task that reads or changes what is no input, such as
    the champion, and not in a loop, which KFP 2.17 never ends if all its tasks were cached.
    """
    retries, delay, growth = 3, 10, 2
    delays = sum(delay * growth**n for n in range(retries))
    task.set_retry(
        retries,
        backoff_duration=f"{delay}s",
        backoff_factor=growth,
        # Not the longest delay: the time for all attempts.
        backoff_max_duration=f"{(retries + 1) * (minutes + 5) * 60 + delays}s",
    )
    task.set_caching_options(cached)
    task.set_cpu_request(f"{cpu / 2:g}").set_cpu_limit(f"{cpu:g}")
    task.set_memory_request(memory).set_memory_limit(memory)
    kubernetes.set_timeout(task, minutes * 60)
    kubernetes.set_security_context(task, run_as_user=USER, run_as_group=USER, run_as_non_root=True)
    kubernetes.mount_pvc(task, PROJECT, "/app/data", sub_path="data")
    kubernetes.mount_pvc(task, PROJECT, "/app/runs", sub_path="runs")
{% if cookiecutter.tracker != "mlflow" %}
    kubernetes.mount_pvc(task, PROJECT, "/app/models", sub_path="models")
{% endif %}
{% if cookiecutter.__folder_variable %}
    where = {"{{{ cookiecutter.__folder_variable }}}": "{{{ cookiecutter.__folder_variable }}}"}
    kubernetes.use_config_map_as_env(task, PROJECT, where)
{% endif %}
{% if cookiecutter.__registry == "mlflow" %}
    kubernetes.use_config_map_as_env(task, PROJECT, {"MLFLOW_TRACKING_URI": "MLFLOW_TRACKING_URI"})
{% endif %}
{% if cookiecutter.tracker == "wandb" %}
    names = {name: name for name in wandb_client.SERVER}
    kubernetes.use_secret_as_env(task, f"{PROJECT}-wandb", names, optional=True)
{% elif cookiecutter.tracker == "trackio" %}
    for name in ("TRACKIO_SQLITE_JOURNAL_MODE", "TRACKIO_UI_URL"):
        kubernetes.use_config_map_as_env(task, PROJECT, {name: name})
{% elif cookiecutter.tracker == "dvclive" %}
    repo = {"REGISTRY_REPO": "REGISTRY_REPO"}
    kubernetes.use_secret_as_env(task, f"{PROJECT}-registry", repo, optional=True)
{% endif %}
    kubernetes.use_config_map_as_env(task, PROJECT, {"KFP_UI_URL": "KFP_UI_URL"}, optional=True)
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL")
    kubernetes.use_secret_as_env(task, f"{PROJECT}-s3", {key: key for key in keys}, optional=True)
    return task


{% if cookiecutter.source == "sql" %}
def with_source(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Give a task the address of the source with its password."""
    url = {"SOURCE_URL": "SOURCE_URL"}
    kubernetes.use_secret_as_env(task, f"{PROJECT}-source", url, optional=True)
    return task


{% endif %}
small = functools.partial(sized, minutes=20, cpu=1, memory="1Gi")
large = functools.partial(sized, minutes=60, cpu=2, memory="4Gi")


@dsl.pipeline(name=PROJECT)  # type: ignore[untyped-decorator]
def training(period: str = "", window: int = 0) -> None:
    """Train, evaluate on a period, and release the model if it is better than the champion.

    Args:
        period: such as {{{ cookiecutter.__example }}}; empty: the newest that has ended.
        window: how many periods to train on; 0: as params.yaml says.
    """
    job = dsl.PIPELINE_JOB_ID_PLACEHOLDER
    noticed = small(notice(job=job, period=period, window=window))
    urls = {"ALERT_URLS": "ALERT_URLS"}  # no other task sends alerts
    kubernetes.use_secret_as_env(noticed, f"{PROJECT}-alerts", urls, optional=True)
    with dsl.ExitHandler(noticed, name="run"):
        planned = small(plan(period=period, window=window, job=job))
{% if cookiecutter.source == "sql" %}
        with_source(planned)
{% endif %}
        run = planned.outputs["run"]
        with dsl.If(planned.outputs["Output"] == "refused", name="refused"):
            small(refuse(reason=planned.outputs["reason"])).set_retry(0)
        with dsl.If(planned.outputs["Output"] == "planned", name="planned"):
            with dsl.ParallelFor(planned.outputs["periods"], name="ingest", parallelism=4) as each:
                ingested = small(ingest(run=run, period=each))
{% if cookiecutter.source == "sql" %}
                with_source(ingested)
{% endif %}
            raw = dsl.Collected(ingested.outputs["raw"])
            validated = small(validate(run=run, raw=raw), cached=True)
            quality = validated.outputs["quality"]
            with dsl.If(validated.outputs["Output"] == "good", name="good"):
                stored = small(snapshot(run=run, quality=quality), cached=True)
                good = stored.outputs["Output"]
                with dsl.ParallelFor(good, name="features", parallelism=4) as each:
                    built = small(features(run=run, period=each, data=stored.outputs["data"]))
                tables = dsl.Collected(built.outputs["table"])
                trained = large(train(run=run, tables=tables), cached=True)
                evaluated = large(evaluate(run=run, model=trained.outputs["model"]))
                released = large(release(run=run, evaluation=evaluated.outputs["evaluation"]))
            with dsl.Else(name="bad"):
                quarantined = small(quarantine(run=run, quality=quality))
            ended = dsl.OneOf(released.outputs["Output"], quarantined.outputs["Output"])
            small(report(run=run, ended=ended))
