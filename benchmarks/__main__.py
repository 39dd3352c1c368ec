"""Print what a run costs as a ratio to a plain script of the same work, in the same minutes.

    make bench

One default project is rendered and set up in a temporary folder; then the plain script and
`make run` take turns. Absolute times differ from machine to machine, the ratios less so.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PERIODS = ["2013-05", "2013-06", "2013-07"]


def seconds(command: list[str], folder: Path) -> float:
    """Run a command in a folder and return how long it took."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as made:
        out = Path(made)
        door = Path(sys.executable).with_name("cookiecutter")
        render = seconds([str(door), str(ROOT), "--no-input", "-o", str(out)], ROOT)
        project = out / "my-pipeline"
        setup = seconds(["make", "setup", "data"], project)
        shutil.copy(Path(__file__).with_name("plain.py"), project)
        python = str(project / ".venv/bin/python")
        runs, plains = [], []
        for period in PERIODS:
            seconds([python, "plain.py", period], project)  # imports compiled, files cached
            plains.append(seconds([python, "plain.py", period], project))
            runs.append(seconds(["make", "run", f"PERIOD={period}"], project))
    plain = statistics.median(plains)
    print(f"render {render:.1f} s, set up {setup:.1f} s")
    for name, took in (
        ("plain script", plain),
        ("make run, fresh state", runs[0]),
        ("make run, used state", statistics.median(runs[1:])),
    ):
        print(f"{name:24} {took:6.1f} s {took / plain:6.1f} x")


if __name__ == "__main__":
    main()
