"""Run the flows from the command line: `make run` and `make backfill`.

Prefect starts a temporary server, unless a setting names one: a variable of the environment or of
`.env`, `prefect.toml`, or a profile of this project. Profiles of the user do not count.
"""

import os
import tomllib
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from {{{ cookiecutter.package_name }}}.runtime.errors import Unavailable, one_line, redact
from {{{ cookiecutter.package_name }}}.runtime.results import Result

VARIABLE = "PREFECT_API_URL"
PORTS = {{{ "{" }}}"PREFECT_PORT": 4200{{{ ', "%s_PORT": %s' % (cookiecutter.__pages | upper, cookiecutter.__pages_port) if cookiecutter.__pages else "" }}}}
"""Of `make ui`, by the variables that name others."""
PATIENCE = 20.0
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
    """Print which server the runs report to, unless it is a temporary one."""
    auth = os.environ.get("PREFECT_SERVER_API_AUTH_STRING")
    if auth and VARIABLE not in os.environ:  # our temporary server will ask for it
        os.environ.setdefault("PREFECT_API_AUTH_STRING", auth)
    from prefect.settings import get_current_settings

    said = check()
    if get_current_settings().api.url:
        print(f"{said}.", flush=True)


def check() -> str:
    """Return which server runs report to, in a clause.

    Raises:
        Unavailable: it does not answer, or refuses.
    """
    from prefect import get_client
    from prefect.settings import (
        PREFECT_CLIENT_MAX_RETRIES,
        get_current_settings,
        temporary_settings,
    )

    settings = get_current_settings()
    if settings.api.url is None:
        return "each run reports to a temporary server"
    where = f"the Prefect server {redact(settings.api.url)}, which {named_by(settings)} names"
    soon: dict[str, Any] = {"timeout": PATIENCE}
    try:
        with (
            temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
            get_client(httpx_settings=soon, sync_client=True) as client,
        ):
            problem = client.api_healthcheck()
            if problem is None:
                client.raise_for_api_version_mismatch()
    except Exception as error:  # noqa: BLE001 - of settings, of the network, of another server
        problem = error
    if problem is not None:
        raise Unavailable(
            f"No good answer came from {where} ({redact(one_line(problem))}): start it, or remove "
            "that setting; each run then starts a temporary server."
        ) from problem
    return f"runs report to {where}"


def named_by(settings: Any) -> str:
    """Return what names the server: the first of the places where Prefect looks."""
    if VARIABLE in os.environ:
        return VARIABLE
    if VARIABLE in dotenv_values(Path(".env")):
        return f"{VARIABLE} in .env"
    if api_of(Path("prefect.toml")):
        return "prefect.toml"
    if api_of(Path("pyproject.toml"), "tool", "prefect"):
        return "pyproject.toml"
    return f"the profile in {settings.profiles_path}"


def api_of(file: Path, *above: str) -> str | None:
    """Return the server that a file of settings names, below the tables `above`."""
    content = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for name in (*above, "api"):
        content = content.get(name, {})
    address: str | None = content.get("url")
    return address
