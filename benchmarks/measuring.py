"""Measure times, and print them."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).resolve().parent
TOOLS = Path(sys.executable).parent

# Uncompiled imports cost ten seconds per start; the caller's settings are not the project's.
LEFT_OUT = ("PYTHONDONTWRITEBYTECODE", "PREFECT_", "MLFLOW_", "DVC_", "COPIER_", "AIRFLOW_", "OMP_")


def environment() -> dict[str, str]:
    """Return the environment that everything measured runs in."""
    return {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}


def output(command: Sequence[str | Path], folder: Path, **variables: str) -> str:
    """Run a command in a folder and return its output; exit with that output if it fails.

    Args:
        command: the program and its arguments.
        folder: where it runs.
        variables: added to its environment.
    """
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment() | variables,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def seconds(command: Sequence[str | Path], folder: Path, **variables: str) -> float:
    """Return how long a command took; it is run as by `output`."""
    started = time.perf_counter()
    output(command, folder, **variables)
    return time.perf_counter() - started


def in_turns(works: Mapping[str, Callable[[], float]], rounds: int = 3) -> dict[str, float]:
    """Return the median seconds of each work; they alternate, so that all meet the same load."""
    took = [{name: work() for name, work in works.items()} for _ in range(rounds)]
    return {name: statistics.median(turn[name] for turn in took) for name in works}


def show(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: labels on the left, figures right-aligned beside them."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    print(f"\n{title}\n")
    for row in (header, *rows):
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[0] = row[0].ljust(widths[0])
        print(f"  {'   '.join(cells)}".rstrip(), flush=True)


def commit(folder: Path) -> None:
    """Make a folder a git repository with all of its files committed."""
    git = ("git", "-c", "user.name=bench", "-c", "user.email=bench@example.com")
    output([*git, "init", "--quiet"], folder)
    output([*git, "add", "--all"], folder)
    output([*git, "commit", "--quiet", "--message", "All"], folder)
