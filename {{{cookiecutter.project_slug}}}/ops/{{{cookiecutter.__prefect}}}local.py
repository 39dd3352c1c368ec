"""Run the flows from the command line: `make run` and `make backfill`.

Prefect starts a temporary server, unless a setting names one: a variable of the environment or of
`.env`, `prefect.toml`, or a profile of this project, in `.prefect/profiles.toml`.
"""

import os
from pathlib import Path

import httpx
from dotenv import dotenv_values

from {{{ cookiecutter.package_name }}}.runtime.errors import Unavailable, one_line, redact
from {{{ cookiecutter.package_name }}}.runtime.results import Result

PATIENCE = 10.0
"""Seconds in which a server must answer."""


def training(period: str | None = None) -> Result:
    """Return the result of a run for a period, by default the newest that has ended."""
    announce()
    from flows.training import training as flow

    return flow(period)


def backfill(first: str, last: str) -> list[Result]:
    """Return the results of the runs for the periods from `first` to `last`, in order."""
    announce()
    from flows.training import backfill as flow

    return flow(first, last)


def announce() -> None:
    """Print which server the runs report to, if it is not a temporary one."""
    if address := server():
        print(f"{check()}.", flush=True)


def server() -> str | None:
    """Return the address of the server that the settings name, None where they name none."""
    from prefect.settings import get_current_settings

    return get_current_settings().api.url


def check() -> str:
    """Return which server runs report to, in a clause.

    Raises:
        Unavailable: it does not answer.
    """
    address = server()
    if address is None:
        return "Prefect starts a temporary server for each run"
    where = f"the Prefect server {redact(address)}, which {named_by()} names"
    try:
        httpx.get(f"{address}/health", timeout=PATIENCE).raise_for_status()
    except httpx.HTTPError as error:
        raise Unavailable(
            f"No answer came from {where} ({redact(one_line(error))}): start it, or remove that "
            "setting; then a temporary server is started."
        ) from error
    return f"Runs report to {where}"


def named_by() -> str:
    """Return what names the server, in the order in which Prefect looks."""
    name = "PREFECT_API_URL"
    if name in os.environ:
        return name
    if name in dotenv_values(Path(".env")):
        return f"{name} in .env"
    if "api" in Path("prefect.toml").read_text(encoding="utf-8")
