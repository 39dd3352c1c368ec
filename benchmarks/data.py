"""The data work of ingest, validate and features on more and more rows, and the same in pandas.

The sample's year is repeated under other years, so the months grow in number and not in size.
Imports are not in the times.
"""

import json
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .measuring import HERE, output, show

ROUNDS = {1: 3, 10: 2, 50: 1}
"""By how many years there are, how often it is measured."""
RIVAL_UP_TO = 10
AIM_FASTER = 3


def main(make_project: Callable[[], Path]) -> None:
    """Print seconds and memory at each size."""
    project = make_project()
    by_size = {}
    for years, rounds in ROUNDS.items():
        with tempfile.TemporaryDirectory(prefix="bench-") as made:
            by_size[years] = measure(project, Path(made), years, rounds)
    one, _ = by_size[1]
    speed, growth = [], []
    for years, (steps, rival) in by_size.items():
        took = seconds(steps)
        parts = [f"{value:.1f}" for value in steps["seconds"].values()]
        beside = [f"{seconds(rival):.1f}", f"{seconds(rival) / took:.2f} x"] if rival else ["", ""]
        aim = f"> {AIM_FASTER}" if years == RIVAL_UP_TO else ""
        speed.append([f"{years} x", *parts, f"{took:.1f}", *beside, aim])
        rival_peak = f"{rival['peak']:.0f}" if rival else ""
        per_row, memory = took / seconds(one) / years, steps["peak"] / one["peak"]
        figures = [f"{per_row:.2f} x", "<= 1", f"{steps['peak']:.0f}", f"{memory:.2f} x", "1"]
        growth.append([f"{years} x", *figures, rival_peak])
    header = ["rows", *one["seconds"], "together", "pandas", "ours is faster", "aim"]
    show("Data work, seconds", header, speed)
    header = ["rows", "time per row, to 1 x", "aim", "peak MB", "to 1 x", "aim", "pandas MB"]
    show("How it grows", header, growth)


def measure(
    project: Path, folder: Path, years: int, rounds: int
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the output of the steps and, unless there are too many rows, of pandas; medians."""
    python, source = project / ".venv/bin/python", folder / "source"
    output([python, HERE / "repeat_months.py", source, str(years)], project)
    scripts = ["data_steps.py", "plain_pandas.py"][: 2 if years <= RIVAL_UP_TO else 1]
    printed: dict[str, list[dict[str, Any]]] = {script: [] for script in scripts}
    for turn in range(rounds):
        for script in scripts:
            with tempfile.TemporaryDirectory(dir=folder) as target:
                made = output([python, HERE / script, source, f"{target}/{turn}"], project)
            printed[script].append(json.loads(made))
    steps, *rival = (median(all_rounds) for all_rounds in printed.values())
    return steps, rival[0] if rival else None


def seconds(printed: dict[str, Any]) -> float:
    """Return how long all steps took together."""
    return float(sum(printed["seconds"].values()))


def median(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the round that took the median time."""
    middle = statistics.median_low(map(seconds, rounds))
    return next(printed for printed in rounds if seconds(printed) == middle)
