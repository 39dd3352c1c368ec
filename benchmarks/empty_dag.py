"""As many Airflow tasks as a run has, in the same order, none of which does anything.

For the DAG folder of an Airflow that runs it, or by itself, with the environment of a rendered
project: `python empty_dag.py` does what `make run` does, with the database in AIRFLOW_HOME.
"""

from typing import Any

from airflow.sdk import chain, dag, task

PERIODS = 4


@task
def step(_period: int = 0) -> None:
    """Do nothing."""


@task
def periods() -> list[int]:
    """Return what the next step is mapped over."""
    return list(range(PERIODS))


@dag(dag_id="empty", schedule=None)
def empty() -> None:
    """Plan, ingest by period, validate, snapshot, features by period, and the four after them."""
    snapshot = periods.override(task_id="snapshot")()
    chain(
        named("ingest").expand(_period=periods.override(task_id="plan")()),
        named("validate")(),
        snapshot,
        named("features").expand(_period=snapshot),
        *(named(task_id)() for task_id in ("train", "evaluate", "release", "report")),
    )


def named(task_id: str) -> Any:
    """Return the task that does nothing, under a name."""
    return step.override(task_id=task_id)


empty_dag = empty()

if __name__ == "__main__":
    from airflow.utils.db import initdb

    initdb()
    empty_dag.test()
