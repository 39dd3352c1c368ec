"""See whether everything that a run needs is there: what `make doctor` calls."""

from collections.abc import Callable, Iterator
from functools import partial
from uuid import uuid4

from upath import UPath

from . import alerts, machine, snapshots, tracking
from .errors import BadInput, in_a_line, without_passwords
from .params import Params
from .source import Source
from .workspace import is_local

PATIENCE = 10.0
"""Seconds to wait for a run that is storing data."""


def examine(params: Params) -> Iterator[tuple[str, bool, str]]:
    """Yield for each thing its name, whether it is well, and a sentence about it."""
    checks: dict[str, Callable[[], str]] = machine.checks() | {
        "source": partial(_source, params),
        "runs": partial(_runs, params),
        "data versions": _snapshots,
        "tracker": partial(_tracker, params),
        "alerts": partial(_alerts, params),
    }
    for name, check in checks.items():
        try:
            yield name, True, without_passwords(check())
        except Exception as error:  # noqa: BLE001 - whatever is wrong is what we are here to say
            yield name, False, without_passwords(in_a_line(error))


def _source(params: Params) -> str:
    months = Source(params.source, params.source_timeout).months()
    return f"{params.source} has {months[0]} to {months[-1]}"


def _runs(params: Params) -> str:
    runs = UPath(params.runs)
    if not runs.exists() and is_local(runs):
        return f"{params.runs} is made by the first run"
    probe = runs / f".doctor-{uuid4().hex[:8]}"
    probe.write_bytes(b"")
    probe.unlink()
    return f"{params.runs} can be written to"


def _snapshots() -> str:
    with snapshots.one_at_a_time(PATIENCE):
        return f"{snapshots.probe()} can be written to"


def _tracker(params: Params) -> str:
    if not tracking.is_there():
        return f"{tracking.address()} is made by the first run"
    champion = tracking.champion(params.model_name)
    what = f"version {champion.version} is the champion" if champion else "no champion yet"
    return f"{tracking.address()} answers, {what}"


def _alerts(params: Params) -> str:
    targets = alerts.targets()
    if targets:
        return f"{', '.join(map(str, targets))}; `make alert-test` sends a test"
    if params.alerts.wanted:
        raise BadInput(f"{alerts.VARIABLE} is not set: see .env.example")
    return "none are wanted"
