"""Looks daily whether the month that is due has its champion, and sends an alert where not.

A deadline of Airflow's own, as `training` has one, is a run's: where no run began, none is missed.
How many days a month has is `deadlines` in `params.yaml`.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import CronTriggerTimetable, dag, task


@dag(
    dag_id="{{{ cookiecutter.project_slug }}}-deadline",
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

        rerun = """airflow dags trigger {{{ cookiecutter.project_slug }}} --conf '{"period": "{period}"}'"""
        return check(load_params(), datetime.now(UTC), rerun)

    check()


deadline_dag = deadline()
