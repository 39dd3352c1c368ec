"""`make run` for one period, beside two floors: a plain script of its work, an empty Prefect flow.

A fresh state is that of a new clone; a used one has the database of Prefect and of MLflow, and a
champion to compare with.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from .measuring import HERE, output, seconds, show
from .server import running_server

ROUNDS = 3
AIM_ABOVE = 6
PERIODS = {"fresh": "2013-06", "used": "2013-07", "server": "2013-08"}

# What the plain script does of the work of some steps.
COUNTERPARTS = {"features": "data", "train": "train", "evaluate": "score"}
BEFORE, AFTER = "start-up", "ending"

IMPORTS = """
import json, sys, time
from importlib import import_module
took = {}
for name, module in json.loads(sys.argv[1]).items():
    started = time.perf_counter()
    import_module(module)
    took[name] = time.perf_counter() - started
print(json.dumps(took))
"""

Phases = dict[str, tuple[float, float]]
"""By step, the seconds since the step before ended, and those of its own work."""


@dataclass(frozen=True)
class Measured:
    """What one round took."""

    plain: float
    parts: dict[str, float]
    """Of the plain script."""
    flows: dict[str, float]
    """The empty flow or DAG, by state."""
    runs: dict[str, float]
    """`make run`, by state."""
    phases: Phases
    """Of the run on a used state."""


def main(make_project: Callable[[], Path]) -> None:
    """Let the plain script, the empty flow and the run take turns; print what lies between them."""
    project = make_project()
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        state = Path(made)
        with running_server(project, state / "server") as server:
            states = {"fresh": {}, "used": {}, "server": {"PREFECT_API_URL": server}}
            measured = [
                measure(project, empty_flow(project, state / str(turn)), states)
                for turn in range(ROUNDS)
            ]
    show_floors(measured, "empty flow")
    show_steps(measured, imports(project, {BEFORE: "flows.training"}))


def empty_flow(project: Path, state: Path) -> Callable[..., float]:
    """Return what runs the empty flow, with a state folder of its own; it takes variables."""
    return partial(
        seconds,
        [project / ".venv/bin/python", HERE / "empty_flow.py"],
        project,
        PREFECT_HOME=str(state),
    )


def show_floors(measured: list[Measured], empty: str) -> None:
    """Print the run beside its floors; `empty` is the name of the second."""
    plain = statistics.median(turn.plain for turn in measured)
    rows = []
    for name in measured[0].runs:
        flow = statistics.median(turn.flows[name] for turn in measured)
        run = statistics.median(turn.runs[name] for turn in measured)
        above, ratio = run - plain - flow, run / (plain + flow)
        figures = [f"{figure:.1f}" for figure in (plain, flow, run)]
        rows.append([name, *figures, f"{ratio:.2f} x", f"{above:.1f}", f"< {AIM_ABOVE}"])
    header = ["state", "plain script", empty, "make run", "to their sum", "above it", "aim"]
    show(f"make run beside its two floors, seconds, medians of {ROUNDS}", header, rows)


def measure(
    project: Path, empty: Callable[..., float], states: Mapping[str, Mapping[str, str]]
) -> Measured:
    """Run everything once.

    Args:
        project: a rendered project.
        empty: returns the seconds of the empty flow or DAG; takes variables.
        states: by state, in their order, what the environment has besides.
    """
    python = project / ".venv/bin/python"
    began = time.perf_counter()
    parts = json.loads(output([python, HERE / "plain.py", PERIODS["used"]], project))["seconds"]
    plain = time.perf_counter() - began
    output(["make", "reset", "data"], project)
    flows, runs = {}, {}
    phases: Phases = {}
    for name, variables in states.items():
        period = PERIODS[name]
        flows[name] = empty(**variables)
        started = time.time()
        runs[name] = seconds(["make", "run", f"PERIOD={period}"], project, **variables)
        if name == "used":
            phases = phases_of(next((project / "runs").glob(f"{period}-*")), started)
    parts["imports"] = plain - sum(parts.values())
    return Measured(plain, parts, flows, runs, phases)


def phases_of(run: Path, started: float) -> Phases:
    """Return what the run that was started at `started` and has just ended spent its time on."""
    calls = [json.loads(file.read_text()) for file in (run / "steps").glob("*.json")]
    begun = datetime.fromisoformat(json.loads((run / "plan.json").read_text())["begun"])
    at = begun.timestamp()
    phases = {BEFORE: (at - started, 0.0)}
    for step, same in groupby(sorted(calls, key=itemgetter("started")), key=itemgetter("step")):
        periods: list[dict[str, Any]] = list(same)
        ended = max(period["started"] + period["seconds"] for period in periods)
        phases[step] = (periods[0]["started"] - at, ended - periods[0]["started"])
        at = ended
    return phases | {AFTER: (time.time() - at, 0.0)}


def imports(project: Path, before: Mapping[str, str], **variables: str) -> dict[str, float]:
    """Return how long a fresh process imports what each step needs, in the order of the run.

    Args:
        project: a rendered project.
        before: by name, the modules that come before those of the steps.
        variables: what the environment has besides.
    """
    steps = ("ingest", "validate", "snapshot", "features", "train", "evaluate", "release", "report")
    modules = dict(before) | {step: f"my_pipeline.runtime.steps.{step}" for step in steps}
    command: list[str | Path] = [project / ".venv/bin/python", "-c", IMPORTS, json.dumps(modules)]
    printed = output(command, project, **variables)
    return dict(json.loads(printed.splitlines()[-1]))  # a package may have printed a warning


def show_steps(measured: list[Measured], imported: dict[str, float]) -> None:
    """Print where the seconds of a run on a used state went."""
    rows, works, plains = [], 0.0, 0.0
    for step in measured[0].phases:
        before, work = (
            statistics.median(turn.phases[step][part] for turn in measured) for part in (0, 1)
        )
        part = "imports" if step == BEFORE else COUNTERPARTS.get(step)
        plain = statistics.median(turn.parts[part] for turn in measured) if part else 0.0
        if step in COUNTERPARTS:
            works, plains = works + work, plains + plain
        figures = (before, imported.get(step, 0.0), work, plain)
        rows.append([step, *(f"{figure:.2f}" for figure in figures), "", ""])
    total = ["both do", "", "", f"{works:.2f}", f"{plains:.2f}", f"{works / plains:.2f} x", "< 1"]
    header = ["step", "before it", "of it imports", "its work", "plain script", "ratio", "aim"]
    show("Where a run on a used state spends its seconds", header, [*rows, total])
