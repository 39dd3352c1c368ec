"""The training pipeline for Kubeflow Pipelines. The steps themselves are in `src/`.

`make compile` writes it to `pipeline.yaml`, which the cluster runs; `make run` runs it here. KFP
cuts each component out of this file and runs it in the image of this repository, which has the
package: so a component imports all that it uses, and nothing is installed when it runs.
"""

import functools
from collections.abc import Callable
from importlib.metadata import version as version_of
from typing import Any, NamedTuple

from kfp import dsl, kubernetes
from kfp.dsl import (
    HTML,
    Artifact,
    ClassificationMetrics,
    Dataset,
    Input,
    Metrics,
    Model,
    Output,
    PipelineTask,
    PipelineTaskFinalStatus,
)

NAME = "{{{ cookiecutter.project_slug }}}"

# By tag in what is committed; `make deploy` puts the digest in its place.
IMAGE = f"{NAME}:{version_of(NAME)}"
USER = 10001  # of the image


def do(step: Callable[..., Any], run: str, *given: str) -> tuple[Any, Any]:
    """Do a step of a run, unless it is done already; leave the result of one that fails.

    Returns:
        What the step returned, and the run's `Workspace`.
    """
    import logging

    from {{{ cookiecutter.package_name }}}.once import once
    from {{{ cookiecutter.package_name }}}.results import write_failed
    from {{{ cookiecutter.package_name }}}.workspace import Run, Workspace

    this = Run.model_validate_json(run)
    try:
        return once(step, this, *given), Workspace(this)
    except Exception as error:
        logging.error("%s failed: %s", step.__name__, error)  # noqa: TRY400 - KFP prints the rest
        write_failed(this, "kubeflow", error, step.__name__)
        raise


def keep(artifact: Artifact, returned: Any, path: object, **facts: str | float) -> None:
    """Let an artifact tell what a step returned, and where the step's own file is.

    That stays in the run's folder: KFP refuses inputs whose address is outside of its own store.
    """
    from pathlib import Path

    Path(artifact.path).write_text(returned.model_dump_json(indent=2), encoding="utf-8")
    artifact.metadata.update({"path": str(path)} | facts)


component = functools.partial(
    dsl.component, base_image=IMAGE, install_kfp_package=False, additional_funcs=[do, keep]
)


@component
def plan(period: str, window: int, job: str) -> NamedTuple(  # type: ignore[valid-type]
    "Planned",
    [("Output", str), ("reason", str), ("run", str), ("months", list[str]), ("begun", str)],
):
    """Settle what the run works on: planned, nothing_new or refused.

    That is `Output`, for KFP's local runner knows conditions on no other name.
    """
    from datetime import UTC, datetime

    from {{{ cookiecutter.package_name }}}.deadlines import Job, job_file
    from {{{ cookiecutter.package_name }}}.errors import BadInput
    from {{{ cookiecutter.package_name }}}.params import load_params
    from {{{ cookiecutter.package_name }}}.plan import plan_run, read_plan
    from {{{ cookiecutter.package_name }}}.results import (
        finished,
        forget_failure,
        nothing_new,
        refused,
    )
    from {{{ cookiecutter.package_name }}}.workspace import write_json

    params, now = load_params(), datetime.now(UTC)
    if window:
        params = params.model_copy(update={"window": window})
    months, begun = [], ""
    try:
        run = plan_run(params, period or None, now)
    except Exception as error:
        planned = Job(run=refused(params, period, now), outcome="refused", reason=str(error))
        write_json(job_file(params, job), planned)
        if not isinstance(error, BadInput):  # then another try may help
            raise
    else:
        settled = read_plan(run)
        months, begun = settled.months, settled.begun.isoformat()
        if done := finished(run):
            reason = nothing_new(done).reason
            planned = Job(run=run, outcome="nothing_new", reason=reason)
        else:
            forget_failure(run)
            planned = Job(run=run, outcome="planned")
        write_json(job_file(params, job), planned)
    return planned.outcome, planned.reason, planned.run.model_dump_json(), months, begun


@component
def refuse(reason: str) -> None:
    """Fail, with why: a task of its own, as KFP tries a task that fails again, whatever it says."""
    raise SystemExit(f"refused: {reason}")


@component
def ingest(run: str, month: str, raw: Output[Dataset]) -> None:
    """Copy a month from the source."""
    from {{{ cookiecutter.package_name }}}.steps.ingest import ingest

    copied, workspace = do(ingest, run, month)
    keep(raw, copied, workspace.raw, month=month)


@component
def validate(run: str, begun: str, raw: Input[list[Dataset]], quality: Output[Artifact]) -> str:
    """Hold the months against the data contract: good or bad."""
    from {{{ cookiecutter.package_name }}}.steps.validate import validate

    judged, workspace = do(validate, run)
    keep(quality, judged, workspace.quality, reason=judged.reason)
    return "good" if judged.good else "bad"


@component
def quarantine(run: str, quality: Input[Artifact], findings: Output[Artifact]) -> str:
    """Set the run aside; why."""
    from {{{ cookiecutter.package_name }}}.steps.quarantine import quarantine

    found, workspace = do(quarantine, run)
    keep(findings, found, workspace.quarantine)
    return str(quality.metadata["reason"])


@component
def version(run: str, begun: str, quality: Input[Artifact], snapshot: Output[Dataset]) -> list[str]:
    """Keep the exact data, and give them a name; the months that are fit for use."""
    from {{{ cookiecutter.package_name }}}.steps.validate import fit_months
    from {{{ cookiecutter.package_name }}}.steps.version import version
    from {{{ cookiecutter.package_name }}}.workspace import Run

    kept, workspace = do(version, run)
    keep(snapshot, kept, workspace.version, data_version=kept.data_version)
    return fit_months(Run.model_validate_json(run))


@component
def features(run: str, month: str, snapshot: Input[Dataset], joined: Output[Dataset]) -> None:
    """Join the tables of a month."""
    from {{{ cookiecutter.package_name }}}.steps.features import features

    made, workspace = do(features, run, month)
    keep(joined, made, workspace.features(month), month=month, rows=made.rows)


@component
def train(run: str, begun: str, joined: Input[list[Dataset]], model: Output[Model]) -> None:
    """Fit the model."""
    from {{{ cookiecutter.package_name }}}.steps.train import train

    fitted, workspace = do(train, run)
    keep(model, fitted, workspace.model, framework="scikit-learn", mlflow=fitted.model_uri)


@component
def evaluate(
    run: str,
    model: Input[Model],
    verdict: Output[Artifact],
    metrics: Output[Metrics],
    curves: Output[ClassificationMetrics],
) -> None:
    """Judge the challenger against the champion."""
    import polars as pl

    from {{{ cookiecutter.package_name }}}.steps.evaluate import evaluate
    from {{{ cookiecutter.package_name }}}.workspace import read_parquet

    judged, workspace = do(evaluate, run)
    keep(verdict, judged, workspace.evaluation, reason=judged.reason)
    for name, value in judged.metrics.items():
        metrics.log_metric(name, value)
    for name, value in (judged.champion_metrics or {}).items():
        metrics.log_metric(f"champion_{name}", value)
    roc = pl.read_csv(workspace.curve("roc").read_bytes())
    curves.log_roc_curve(
        roc["false_positive_rate"].to_list(),
        roc["true_positive_rate"].to_list(),
        roc["threshold"].to_list(),
    )
    scores = read_parquet(workspace.scores)
    late, foretold = scores["late"], scores["probability"] >= 0.5
    counts = [
        [int(((late == came) & (foretold == said)).sum()) for said in (False, True)]
        for came in (False, True)
    ]
    curves.log_confusion_matrix(["in time", "late"], counts)


@component
def release(run: str, verdict: Input[Artifact], outcome: Output[Artifact]) -> str:
    """Put the challenger in the champion's place, if it earned it; why it did or not."""
    from {{{ cookiecutter.package_name }}}.steps.release import release

    released, workspace = do(release, run)
    keep(outcome, released, workspace.release)
    return str(released.reason)


@component
def report(run: str, ended: str, page: Output[HTML], result: Output[Artifact]) -> None:
    """Write the result and the page."""
    from pathlib import Path

    from {{{ cookiecutter.package_name }}}.steps.report import report

    written, workspace = do(report, run, "kubeflow")
    keep(result, written, workspace.result, status=written.status, reason=written.reason)
    Path(page.path).write_bytes(workspace.report.read_bytes())


@component
def notice(status: PipelineTaskFinalStatus, job: str, period: str, window: int) -> None:
    """Say how the run ended, once; leave the result of one whose task was killed and could not.

    It may be tried again, and then says nothing that was said.
    """
    import logging
    import os

    from upath import UPath

    from {{{ cookiecutter.package_name }}}.alerts import notify, tell
    from {{{ cookiecutter.package_name }}}.deadlines import Job, job_file
    from {{{ cookiecutter.package_name }}}.events import Event
    from {{{ cookiecutter.package_name }}}.once import unfinished
    from {{{ cookiecutter.package_name }}}.params import load_params
    from {{{ cookiecutter.package_name }}}.results import left, write_failed
    from {{{ cookiecutter.package_name }}}.workspace import read_json, write_json

    params = load_params()
    url = os.environ.get("KFP_UI_URL")  # only on a cluster
    page = f"{url.rstrip('/')}/#/runs/details/{job}" if url else None

    def rerun(period: str) -> str:
        if url:
            given = f"period={period}" + (f" window={window}" if window else "")
            return f"clone the run in its page, with {given}"
        return f"make run PERIOD={period}" if period else "make run"

    file = job_file(params, job)
    for part in file.parent.glob(f".{file.name}.*.part"):  # of a `plan` that was killed
        part.unlink()
    if not file.exists():
        reason = "the run was never planned: the log of `plan` says why"
        logging.error("notice: %s", reason)
        crashed = Event(
            kind="run_crashed",
            title=f"{period or 'a run'} crashed at plan",
            reason=reason,
            period=period,
            step="plan",
            run_url=page,
            rerun=rerun(period),
            attempt=job,
        )
        notify(crashed, UPath(params.runs))
        return
    told = read_json(file, Job)
    run = told.run
    if told.outcome == "nothing_new":
        logging.info("notice: run nothing_new: %s", told.reason)
    else:
        result = left(run)
        if told.outcome == "refused":
            result = write_failed(run, "kubeflow", RuntimeError(told.reason), "plan")
        # What KFP says of it, `status`, is not to be relied on; and what failed may be done since.
        elif result is None or (result.step and result.step not in unfinished(run)):
            killed = RuntimeError("a task was killed, or ran out of memory, time or disk")
            result = write_failed(run, "kubeflow", killed)
        logging.info("notice: run %s %s: %s", run.run_id, result.status, result.reason)
        tell(run, result, attempt=job, run_url=page, rerun=rerun(run.period))
    try:
        write_json(file, told.model_copy(update={"ended": True}))
    except OSError:  # on a full disk, room is still made; tried again, this would say all again
        file.unlink()


def sized(task: PipelineTask, *, minutes: int, cpu: str, memory: str, cached: bool) -> PipelineTask:
    """Give a task its share of the cluster, patience, and what all tasks see.

    Args:
        task: the task.
        minutes: after which its pod is ended and it is tried again; in them, the image is pulled.
        cpu: cores it may use; half of them are its own.
        memory: what it may use, such as `2Gi`, all of it its own: pods over it are killed.
        cached: whether KFP may take its outputs from an earlier run with the same inputs. Not those
            of tasks that look at, or change, what is not an input, such as the champion; nor those
            of a loop: KFP never ends a loop whose tasks were all cached, and `dsl.OneOf` waits for
            it. Those that are cached take `begun`: a folder that was made anew is another input.
    """
    tries, waits = 4, 10 + 20 + 40
    task.set_retry(
        tries - 1,
        backoff_duration="10s",
        backoff_factor=2,
        backoff_max_duration=f"{tries * (minutes + 5) * 60 + waits}s",  # for all tries together
    )
    task.set_caching_options(cached)
    task.set_cpu_request(f"{float(cpu) / 2:g}").set_cpu_limit(cpu)
    task.set_memory_request(memory).set_memory_limit(memory)
    kubernetes.set_timeout(task, minutes * 60)
    kubernetes.set_security_context(task, run_as_user=USER, run_as_group=USER, run_as_non_root=True)
    kubernetes.mount_pvc(task, NAME, "/app/data", sub_path="data")
    kubernetes.mount_pvc(task, NAME, "/app/runs", sub_path="runs")
    kubernetes.use_config_map_as_env(task, NAME, {"MLFLOW_TRACKING_URI": "MLFLOW_TRACKING_URI"})
    kubernetes.use_config_map_as_env(task, NAME, {"KFP_UI_URL": "KFP_UI_URL"}, optional=True)
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL")
    kubernetes.use_secret_as_env(task, f"{NAME}-s3", {key: key for key in keys}, optional=True)
    return task


small = functools.partial(sized, minutes=20, cpu="1", memory="1Gi")
large = functools.partial(sized, minutes=60, cpu="2", memory="4Gi")


@dsl.pipeline(name=NAME)  # type: ignore[untyped-decorator]
def training(period: str = "", window: int = 0) -> None:
    """Train on the months before a period, judge on the period, and release what is better.

    Args:
        period: a month such as 2013-06; empty: the newest that has ended.
        window: months to train on; 0: as params.yaml says.
    """
    job = dsl.PIPELINE_JOB_ID_PLACEHOLDER
    told = small(notice(job=job, period=period, window=window), cached=False)
    urls = {"ALERT_URLS": "ALERT_URLS"}  # the one task that sends alerts
    kubernetes.use_secret_as_env(told, f"{NAME}-alerts", urls, optional=True)
    with dsl.ExitHandler(told, name="run"):
        planned = small(plan(period=period, window=window, job=job), cached=False)
        run, begun = planned.outputs["run"], planned.outputs["begun"]
        with dsl.If(planned.outputs["Output"] == "refused", name="refused"):
            small(refuse(reason=planned.outputs["reason"]), cached=False).set_retry(0)
        with dsl.If(planned.outputs["Output"] == "planned", name="planned"):
            with dsl.ParallelFor(planned.outputs["months"], name="ingest", parallelism=4) as month:
                ingested = small(ingest(run=run, month=month), cached=False)
            # Each task that takes what a loop made needs a `dsl.Collected` of its own.
            raw = dsl.Collected(ingested.outputs["raw"])
            validated = small(validate(run=run, begun=begun, raw=raw), cached=True)
            quality = validated.outputs["quality"]
            with dsl.If(validated.outputs["Output"] == "good", name="good"):
                versioned = small(version(run=run, begun=begun, quality=quality), cached=True)
                fit = versioned.outputs["Output"]
                with dsl.ParallelFor(fit, name="features", parallelism=4) as month:
                    made = features(run=run, month=month, snapshot=versioned.outputs["snapshot"])
                    small(made, cached=False)
                trained = large(
                    train(run=run, begun=begun, joined=dsl.Collected(made.outputs["joined"])),
                    cached=True,
                )
                judged = large(evaluate(run=run, model=trained.outputs["model"]), cached=False)
                released = large(release(run=run, verdict=judged.outputs["verdict"]), cached=False)
            with dsl.Else(name="bad"):
                aside = small(quarantine(run=run, quality=quality), cached=False)
            ended = dsl.OneOf(released.outputs["Output"], aside.outputs["Output"])
            small(report(run=run, ended=ended), cached=False)
