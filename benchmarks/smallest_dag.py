"""The least that a DAG file can hold: one task, which does nothing."""

from airflow.sdk import dag, task


@task
def step() -> None:
    """Do nothing."""


@dag(dag_id="smallest", schedule=None)
def smallest() -> None:
    """Do it once."""
    step()


smallest()
