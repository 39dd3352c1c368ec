"""The recurring run: as it should be, and how it takes the place of the one before."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import kfp_server_api as kfp
import typer

from {{{ cookiecutter.package_name }}}.errors import BadInput

from .server import NAME, DeployError, Server

# KFP's crons begin with seconds: at six on the second of each month.
CRON = "0 0 6 2 * *"
TIME_ZONE = "America/New_York"


def server_cron(cron: str, zone: str, server_zone: str) -> str:
    """Return a cron that is meant in one time zone as a server in another one must be given it.

    KFP reads all crons in the one time zone of its installation (CRON_SCHEDULE_TIMEZONE, UTC unless
    set). Its API has no field for another, and its parser (robfig/cron 1.2) refuses `TZ=` before
    the fields. Where summer time shifts one zone against the other, the later hour is taken:
    the run never starts before its time, and for half of the year an hour after it.

    Args:
        cron: six fields, the first of which is seconds.
        zone: the time zone in which it is meant.
        server_zone: that of the server.

    Raises:
        BadInput: it has other than six fields, a time zone is unknown, or there is no such cron.
    """
    if len(cron.split()) != 6:
        raise BadInput(
            f"The cron {cron!r} must have six fields, seconds first: KFP reads the five of other "
            "crons as something else, without an error."
        )
    now = datetime.now(UTC)
    days = [datetime(now.year, month, 1, tzinfo=UTC) for month in (1, 7)]
    here, there = time_zone(zone, "--time-zone"), time_zone(server_zone, "KFP_TIME_ZONE")
    shifts = [offset(day, there) - offset(day, here) for day in days]
    if not any(shifts):
        return cron
    second, minute, hour, *rest = cron.split()
    later = int(max(shifts).total_seconds()) // 60
    whole = minute.isdecimal() and hour.isdecimal()
    moved, of_day = divmod(int(hour) * 60 + int(minute) + later, 24 * 60) if whole else (1, 0)
    if moved:
        raise BadInput(
            f"The cron {cron!r} of {zone} cannot be said in {server_zone}, that of the server: "
            f"give it as one of {server_zone}, with that as the time zone."
        )
    return " ".join([second, str(of_day % 60), str(of_day // 60), *rest])


def time_zone(name: str, setting: str) -> ZoneInfo:
    """Return a time zone by its name.

    Raises:
        BadInput: there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInput(f"{setting} is {name!r}: give one such as Europe/Berlin.") from None


def offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    """Return by how much the clocks of a time zone are ahead of UTC then."""
    return moment.astimezone(zone).utcoffset() or timedelta()


def reference(version: Any) -> Any:
    """Return a version as runs and recurring runs name it."""
    return kfp.V2beta1PipelineVersionReference(
        pipeline_id=version.pipeline_id, pipeline_version_id=version.pipeline_version_id
    )


def schedule(version: Any, experiment: str, cron: str) -> Any:
    """Return the recurring run as it should be."""
    return kfp.V2beta1RecurringRun(
        display_name=NAME,
        experiment_id=experiment,
        pipeline_version_reference=reference(version),
        runtime_config=kfp.V2beta1RuntimeConfig(parameters={}),
        service_account=NAME,
        max_concurrency="1",
        no_catchup=True,
        trigger=kfp.V2beta1Trigger(cron_schedule=kfp.V2beta1CronSchedule(cron=cron)),
        mode=kfp.RecurringRunMode.ENABLE,
    )


def schedules(server: Server, experiment: str) -> list[Any]:
    """Return the recurring runs of this pipeline that an experiment has."""
    listing = server.recurring_runs.recurring_run_service_list_recurring_runs
    return server.find(NAME, "recurring_runs", listing, experiment_id=experiment)


def alike(found: Any, wanted: Any) -> bool:
    """Tell whether two recurring runs differ in nothing but whether they are switched on."""

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
    """Put a recurring run in the place of those that are there.

    KFP can create and delete them, but not change one: so the new one is made first, and where
    the old one cannot be deleted, the new one goes again.

    Raises:
        DeployError: it could not be done; what is there is as before.
    """
    former = schedules(server, wanted.experiment_id)
    if former and all(old.status == "DISABLED" for old in former):
        wanted.mode = kfp.RecurringRunMode.DISABLE  # whoever switched it off had a reason
    try:
        new = server.create(
            lambda: [
                found for found in schedules(server, wanted.experiment_id) if alike(found, wanted)
            ],
            server.recurring_runs.recurring_run_service_create_recurring_run,
            wanted,
        )
        for old in former:
            if old.recurring_run_id != new.recurring_run_id:
                delete_schedule(server, old.recurring_run_id)
    except (DeployError, KeyboardInterrupt) as error:
        undo(server, wanted, {old.recurring_run_id for old in former}, str(error) or "Stopped")
        raise
    off = "" if wanted.mode == "ENABLE" else "; it is switched off, as the one before was"
    typer.echo(f"Schedule: {wanted.trigger.cron_schedule.cron} ({server.time_zone}){off}")


def undo(server: Server, wanted: Any, former: set[str], error: str) -> None:
    """Delete the recurring run that was not there before; not one that somebody else just made.

    Raises:
        DeployError: it could not be done.
    """
    try:
        for found in schedules(server, wanted.experiment_id):
            if found.recurring_run_id not in former and alike(found, wanted):
                delete_schedule(server, found.recurring_run_id)
    except DeployError:
        raise DeployError(
            f"{error}; there may be two recurring runs {NAME} now: the same command, given again, "
            "leaves one"
        ) from None


def delete_schedule(server: Server, recurring_run_id: str) -> None:
    """Delete a recurring run; a run of it that is on its way goes on."""
    call = server.recurring_runs.recurring_run_service_delete_recurring_run
    try:
        server.ask(call, recurring_run_id, propagation_policy="ORPHAN")
    except DeployError as error:
        if error.status != 404:
            raise
