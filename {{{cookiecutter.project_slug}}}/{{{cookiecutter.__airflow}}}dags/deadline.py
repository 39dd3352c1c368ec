"""Check daily that the model of the last period was released on time; send an alert if not.

A deadline of Airflow's own, as `training` has one, belongs to a run: where no run was created, none
is missed. How many days a release may take is `deadlines` in `params.yaml`.
"""

import json
from datetime import UTC, datetime, timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from {{{ cookiecutter.package_name }}}.runtime import PROJECT


@task
def check() -> str | None:
    """Return what is overdue, None where nothing is."""
    from {{{ cookiecutter.package_name }}}.runtime.config import load_params
    from {{{ cookiecutter.package_name }}}.runtime.notify.deadlines import check

    conf = json.dumps({"period": "{period}"})  # `check` fills in the period
    rerun = f"airflow dags trigger {PROJECT} --conf '{conf}'"
    return check(load_params(), datetime.now(UTC), rerun)


@dag(
    dag_id=f"{PROJECT}-deadline",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("0 9 * * *", timezone="America/New_York"),
    start_date=datetime(2013, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    tags=["training"],
)
def deadline() -> None:
    """Define the graph."""
    check()


deadline_dag = deadline()
