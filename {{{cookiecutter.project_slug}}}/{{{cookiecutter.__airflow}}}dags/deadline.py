"""Looks daily whether the month that is due has its champion, and sends an alert where not.

A deadline of Airflow's own, as `training` has one, is a run's: where no run began, none is missed.
How many days a month has is `deadlines` in `params.yaml`.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

DAG_ID = "{{{ cookiecutter.project_slug }}}"
RERUN = f"airflow dags trigger {DAG_ID} --conf " """'{"period": "{period}"}'"""


@dag(
    dag_id=f"{DAG_ID}-deadline",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("0 9 * * *", timezone="America/New_York"),
    start_date=datetime(2013, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    tags=["training"],
)
def deadline() -> None:
    """Draw the graph."""

    @task
    def check() -> str | None:
        """Look; what is wrong, if anything is."""
        from {{{ cookiecutter.package_name }}}.deadlines import check
        from {{{ cookiecutter.package_name }}}.params import load_params

        return check(load_params(), datetime.now(UTC), RERUN)

    check()


deadline_dag = deadline()
