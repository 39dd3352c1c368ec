"""An empty Prefect flow with as many tasks as a run, in the same order.

Run with the environment and in the folder of a rendered project: `python empty_flow.py`.
"""

from prefect import flow, task
from prefect.task_runners import ThreadPoolTaskRunner

PERIODS = range(4)


@task
def step(_period: int = 0) -> None:
    """Do nothing."""


@flow(task_runner=ThreadPoolTaskRunner(max_workers=4))
def empty() -> None:
    """Plan, ingest by period, validate, snapshot, features by period, and the four after them."""
    step()
    step.map(PERIODS).result()
    step()
    step()
    step.map(PERIODS).result()
    for _ in ("train", "evaluate", "release", "report"):
        step()


if __name__ == "__main__":
    empty()
