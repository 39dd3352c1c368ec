"""A fit of the sample's model on a busy machine; OpenMP's threads wait briefly, or by default.

The Makefile and the image set GOMP_SPINCOUNT=500, because this shows a ratio of ten and more.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .measuring import environment, output, seconds, show

PERIOD = "2013-05"
LIMIT = 300
"""Seconds after which the slower fit is ended."""

FIT = f"""
import polars as pl
from my_pipeline import features, model
from my_pipeline.runtime.config import load_params
from pathlib import Path
params = load_params()
run = next(Path("runs").glob("{PERIOD}-*"))
rows = pl.concat([pl.read_parquet(f) for f in sorted(run.glob("features/*.parquet"))])
estimator = model.build_model(params.train, params.seed)
estimator.fit(rows.drop(features.LABEL), rows[features.LABEL].to_numpy())
"""


@contextmanager
def busy() -> Iterator[None]:
    """Keep each core busy with two other processes."""
    spin = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(spin) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def main(make_project: Callable[[], Path]) -> None:
    """Print the seconds of both, and their ratio."""
    project = make_project()
    output(["make", "run", f"PERIOD={PERIOD}"], project)
    python = project / ".venv/bin/python"
    with busy():
        brief = seconds([python, "-c", FIT], project, GOMP_SPINCOUNT="500")
        active, started = float(LIMIT), time.perf_counter()
        with suppress(subprocess.TimeoutExpired):
            fit: list[str | Path] = [python, "-c", FIT]
            subprocess.run(fit, cwd=project, env=environment(), check=True, timeout=LIMIT)
            active = time.perf_counter() - started
    over = ">" if active == LIMIT else ""
    row = ["fit", f"{brief:.1f}", f"{over}{active:.1f}", f"{over}{active / brief:.1f} x"]
    title = "A fit beside two busy processes a core, seconds"
    show(title, ["", "threads wait briefly", "by default", "ratio"], [row])
