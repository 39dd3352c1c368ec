"""The data work of a run, by the steps of the project: ingest, validate and features.

Run with the environment and in the folder of a rendered project:
`python data_steps.py SOURCE RUNS`. As many months go at once as in a run. Prints seconds by step
and the peak of memory in MB, as JSON.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial

from my_pipeline.runtime.config import load_params
from my_pipeline.runtime.run import Run, read_plan
from my_pipeline.runtime.run.plan import plan_run
from my_pipeline.runtime.source.reader import Source
from my_pipeline.runtime.steps.features import features
from my_pipeline.runtime.steps.ingest import ingest
from my_pipeline.runtime.steps.validate import validate

AT_ONCE = 4  # the workers of the flow's task runner
END_OF_TIME = datetime(
    2100, 1, 1, tzinfo=UTC
)  # the repeated years are in the future, and must have ended


def main(source: str, runs: str) -> None:
    """Do the work on all months of a source: the last is the period, all others the window."""
    months = Source(source).periods()
    where = {"source": source, "runs": runs, "window": len(months) - 1}
    run = plan_run(load_params().model_copy(update=where), months[-1], END_OF_TIME)

    took, at = {}, time.perf_counter()

    def ended(step: str) -> None:
        nonlocal at
        took[step], at = time.perf_counter() - at, time.perf_counter()

    by_month(ingest, run, read_plan(run).periods)
    ended("ingest")
    quality = validate(run)
    if not quality.good or len(quality.window) != len(months) - 1:
        sys.exit(f"The repeated months break the contract: {quality.reason}")
    ended("validate")
    by_month(features, run, [*quality.window, run.period])
    ended("features")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": took, "peak": peak}))


def by_month(step: Callable[[Run, str], object], run: Run, months: list[str]) -> None:
    """Map a step over months, as the flow does."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(partial(step, run), months):
            pass


if __name__ == "__main__":
    main(*sys.argv[1:])
