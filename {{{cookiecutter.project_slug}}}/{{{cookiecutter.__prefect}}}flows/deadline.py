"""Check daily that the last period's model was released on time."""

from datetime import UTC, datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from {{{ cookiecutter.package_name }}}.runtime.config import load_params
from {{{ cookiecutter.package_name }}}.runtime.notify.deadlines import check

from . import hooks

RERUN = ".venv/bin/prefect deployment run training/scheduled --param period={period}"


@flow(flow_run_name="deadline check", on_failure=[hooks.alert_failure])
def deadline() -> State[None]:
    """Send an alert if that period has no champion; the check has then succeeded all the same."""
    missed = check(load_params(), datetime.now(UTC), RERUN)
    name, message = ("Missed", missed) if missed else ("Kept", "Nothing is missing.")
    return Completed(name=name, message=message)
