"""Check that everything a run needs is there: `make doctor`."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from upath import UPath

from ..config import Params
from ..errors import BadInput, one_line, redact
from ..files import check_writable, is_local
from ..notify import targets
from ..registry import registry, store, tracker
{% if cookiecutter.versioning == "dvc" %}
from ..source import snapshots
{% endif %}
from ..source.address import source_of
from ..source.kinds import Unread
from . import machine

{% if cookiecutter.versioning == "dvc" %}
PATIENCE = 10.0
"""Seconds to wait for a run that is storing data."""

{% endif %}

def examine(params: Params) -> Iterator[tuple[str, bool, str]]:
    """Yield the name of each check, whether it passed, and a sentence about it."""
    checks: dict[str, Callable[[], str]] = machine.checks() | {
        "source": partial(_source, params),
        "runs": partial(_runs, params),
{% if cookiecutter.versioning == "dvc" %}
        "data versions": _snapshots,
{% endif %}
        "tracker": _tracker,
        "registry": partial(_registry, params),
        "alerts": partial(_alerts, params),
    }
    for name, check in checks.items():
        try:
            said = check()
            yield name, True, type(said)(redact(said))
        except Exception as error:  # noqa: BLE001 - any error is a finding
            yield name, False, redact(one_line(error))


def _source(params: Params) -> str:
    source = source_of(params)
    periods = source.periods()
    newest = periods[-params.window - 1 :]
    parts = {name: part for period in newest for name, part in source.parts(period).items()}
    for part in parts.values():
        if isinstance(part, Unread):
            raise BadInput(f"{source.address}: {part.why}: rename or remove it.")
    return f"{source.address} has {periods[0]} to {periods[-1]}"


def _runs(params: Params) -> str:
    runs = UPath(params.runs)
    if not runs.exists() and is_local(runs):
        return f"{params.runs} is created by the first run"
    check_writable(runs)
    return f"{params.runs} is writable"


{% if cookiecutter.versioning == "dvc" %}
def _snapshots() -> str:
    with snapshots.one_at_a_time(PATIENCE):
        return f"{snapshots.probe()} is writable"


{% endif %}
def _tracker() -> str:
    return f"{tracker.NAME}: {tracker.check()}"


def _registry(params: Params) -> str:
    where = f"{store.NAME}: {store.check()}"  # which soon gives up
    if not store.exists():
        return where
    champion = registry.champion(params.model_name)
    what = f"version {champion.version} is the champion" if champion else "no champion yet"
    return f"{where}, {what}"


def _alerts(params: Params) -> str:
    found = targets.targets()
    if found:
        return f"{', '.join(map(str, found))}; `make alert-test` sends a test"
    if not params.alerts.wanted:
        return "none are wanted"
    lacking = f"{targets.VARIABLE} is not set: see .env.example"
    if Path("Makefile").exists():  # a laptop; an image has no repository
        return machine.Remark(lacking)
    raise BadInput(lacking)
