"""As many Prefect tasks as a run has, in the same order, none of which does anything.

Run with the environment and in the folder of a rendered project: `python empty_flow.py`.
"""

from prefect import flow, task
from prefect.task_runners import ThreadPoolTaskRunner

MONTHS = range(4)


@task
def step(_month: int = 0) -> None:
    """Do nothing."""


@flow(task_runner=ThreadPoolTaskRunner(max_workers=4))
def empty() -> None:
    """Plan, ingest by month, validate, version, features by month, and the four after them."""
    step()
    step.map(MONTHS).result()
    step()
    step()
    step.map(MONTHS).result()
    for _ in ("train", "evaluate", "release", "report"):
        step()


if __name__ == "__main__":
    empty()
