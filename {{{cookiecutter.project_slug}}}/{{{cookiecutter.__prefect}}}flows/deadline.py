"""Look once a day whether the month that is due has its champion: `src/` knows, and says so."""

from datetime import UTC, datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from {{{ cookiecutter.package_name }}}.deadlines import check
from {{{ cookiecutter.package_name }}}.params import load_params

from . import hooks

RERUN = ".venv/bin/prefect deployment run training/monthly --param period={period}"


@flow(flow_run_name="the check of deadlines", on_failure=[hooks.tell_failure])
def deadline() -> State[None]:
    """Say whether the month that is due has its champion; an alert is sent where it has none.

    Such a run did what it is for, and no trying again would help: it has not failed.
    """
    missed = check(load_params(), datetime.now(UTC), RERUN)
    if missed:
        return Completed(name="Missed", message=missed)
    return Completed(name="Kept", message="Nothing is missing.")
