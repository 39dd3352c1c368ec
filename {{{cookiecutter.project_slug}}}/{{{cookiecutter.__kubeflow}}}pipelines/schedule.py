"""The schedule, a recurring run of KFP: what it should be, and how it replaces the one before."""

from typing import Any

import kfp_server_api as kfp
import typer

from {{{ cookiecutter.package_name }}}.runtime import PROJECT
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput

from .server import DeployError, Server

# KFP's crons begin with seconds and follow the clock of the installation, UTC unless its
# `cronScheduleTimezone` says otherwise. This is 11:00 {{{ cookiecutter.__cron_words }}}.
CRON = "0 0 11 {{{ cookiecutter.__cron_days }}}"


def reference(version: Any) -> Any:
    """Return how runs and recurring runs refer to a version."""
    return kfp.V2beta1PipelineVersionReference(
        pipeline_id=version.pipeline_id, pipeline_version_id=version.pipeline_version_id
    )


def schedule(version: Any, experiment: str) -> Any:
    """Return the recurring run as it should be.

    Raises:
        BadInput: CRON is malformed.
    """
    if len(CRON.split()) != 6:
        raise BadInput(
            f"CRON in pipelines/schedule.py is {CRON!r}: give six fields, seconds first. KFP takes "
            "five for something else, without an error."
        )
    return kfp.V2beta1RecurringRun(
        display_name=PROJECT,
        experiment_id=experiment,
        pipeline_version_reference=reference(version),
        runtime_config=kfp.V2beta1RuntimeConfig(parameters={}),
        service_account=PROJECT,
        max_concurrency="1",
        no_catchup=True,
        trigger=kfp.V2beta1Trigger(cron_schedule=kfp.V2beta1CronSchedule(cron=CRON)),
        mode=kfp.RecurringRunMode.ENABLE,
    )


def schedules(server: Server, experiment: str) -> list[Any]:
    """Return the recurring runs of this pipeline in an experiment."""
    listing = server.recurring_runs.recurring_run_service_list_recurring_runs
    return server.find(PROJECT, "recurring_runs", listing, experiment_id=experiment)


def alike(found: Any, wanted: Any) -> bool:
    """Return whether two recurring runs differ at most in whether they are enabled."""

    def facts(run: Any) -> tuple[Any, ...]:  # the server leaves out what is empty or false
        return (
            run.pipeline_version_reference and run.pipeline_version_reference.pipeline_version_id,
            run.trigger and run.trigger.cron_schedule and run.trigger.cron_schedule.cron,
            (run.runtime_config and run.runtime_config.parameters) or {},
            run.service_account,
            run.max_concurrency,
            bool(run.no_catchup),
        )

    return facts(found) == facts(wanted)


def move_schedule(server: Server, wanted: Any) -> None:
    """Replace the recurring runs with a new one, which KFP cannot do by changing them.

    The new one is created before the others are deleted. Where that fails, it is deleted again.

    Raises:
        DeployError: it failed; the schedule is as it was.
    """
    former = schedules(server, wanted.experiment_id)
    ids = {run.recurring_run_id for run in former}
    if former and all(run.status == "DISABLED" for run in former):
        wanted.mode = kfp.RecurringRunMode.DISABLE  # somebody switched it off on purpose

    def matching() -> list[Any]:
        return [run for run in schedules(server, wanted.experiment_id) if alike(run, wanted)]

    try:
        create = server.recurring_runs.recurring_run_service_create_recurring_run
        new = server.create(matching, create, wanted).recurring_run_id
        delete(server, ids - {new})
    except (DeployError, KeyboardInterrupt) as error:
        try:
            delete(server, {run.recurring_run_id for run in matching()} - ids)
        except DeployError:
            raise DeployError(
                f"{str(error) or 'Stopped'}; there may be two recurring runs {PROJECT} now: deploy "
                "again, which leaves one"
            ) from None
        raise
    off = "; it is disabled, as the one before was" if wanted.mode == "DISABLE" else ""
    typer.echo(f"Schedule: {CRON}{off}")


def delete(server: Server, ids: set[str]) -> None:
    """Delete recurring runs; runs that they have started continue."""
    call = server.recurring_runs.recurring_run_service_delete_recurring_run
    for each in ids:
        try:
            server.ask(call, each, propagation_policy="ORPHAN")
        except DeployError as error:
            if error.status != 404:
                raise
