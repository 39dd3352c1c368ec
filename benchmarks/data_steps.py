"""The data work of a run, by the steps of the project: ingest, validate and features.

Run with the environment and in the folder of a rendered project:
`python data_steps.py SOURCE RUNS`. Months go one after the other. Prints seconds by step and the
peak of memory in MB, as JSON.
"""

import json
import resource
import sys
import time
from datetime import UTC, datetime

from my_pipeline.params import load_params
from my_pipeline.plan import plan_run, read_plan
from my_pipeline.source import Source
from my_pipeline.steps.features import features
from my_pipeline.steps.ingest import ingest
from my_pipeline.steps.validate import validate

END_OF_TIME = datetime(2100, 1, 1, tzinfo=UTC)  # the repeated years lie ahead, and must have ended


def main(source: str, runs: str) -> None:
    """Do the work on all months of a source: the last is the period, all others the window."""
    months = Source(source).months()
    where = {"source": source, "runs": runs, "window": len(months) - 1}
    run = plan_run(load_params().model_copy(update=where), months[-1], END_OF_TIME)

    took, at = {}, time.perf_counter()

    def ended(step: str) -> None:
        nonlocal at
        took[step], at = time.perf_counter() - at, time.perf_counter()

    for month in read_plan(run).months:
        ingest(run, month)
    ended("ingest")
    quality = validate(run)
    if not quality.good or len(quality.window) != len(months) - 1:
        sys.exit(f"The repeated months break the contract: {quality.reason}")
    ended("validate")
    for month in [*quality.window, run.period]:
        features(run, month)
    ended("features")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": took, "peak": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])
