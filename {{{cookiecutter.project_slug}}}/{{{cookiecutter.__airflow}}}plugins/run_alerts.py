"""Callbacks of the DAG: the results of failed runs, and the alerts about runs.

In the folder of plugins: the triggerer, which reports missed deadlines, sees no DAG file.
"""

import asyncio
import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk import Context
from airflow.sdk.configuration import conf
from airflow.sdk.definitions.deadline import BaseDeadlineReference, deadline_reference

if TYPE_CHECKING:
    from {{{ cookiecutter.package_name }}}.runtime.results import Result
    from {{{ cookiecutter.package_name }}}.runtime.run import Run

log = logging.getLogger(__name__)

ORCHESTRATOR = "airflow"


def write_failure(context: Context) -> "Result | None":
    """Return the result of a failed run, written unless a task wrote it in this attempt.

    A task that failed for good calls this. For one that was killed, `alert_end` does.
    """
    from {{{ cookiecutter.package_name }}}.runtime.run import RunDir, outcome

    run, task, error = run_of(context), context["ti"].task_id, context.get("exception")
    if not isinstance(error, BaseException):
        file, begun = RunDir(run).result, context["dag_run"].start_date
        if begun and file.exists() and file.stat().st_mtime >= begun.timestamp():
            return outcome.load_result(run)
        error = RuntimeError(f"task {task} was killed, or could not write its result: see its log")
    result = outcome.write_failed(run, ORCHESTRATOR, error, step=task)
    log.error(result.reason)
    return result


def alert_end(context: Context) -> None:
    """Send the alert of how a run ended, in the DAG processor; none where no task ran."""
    from {{{ cookiecutter.package_name }}}.runtime.notify.alerts import alert_outcome
    from {{{ cookiecutter.package_name }}}.runtime.run import outcome

    if "ti" not in context:
        return
    run, dag_run = run_of(context), context["dag_run"]
    asked = (dag_run.conf or {}) | ({"period": run.period} if run.period else {})
    alert_outcome(
        run,
        write_failure(context) if dag_run.state == "failed" else outcome.load_result(run),
        attempt=f"{dag_run.run_id} {dag_run.clear_number}",
        **links(dag_run.dag_id, dag_run.run_id, asked),
    )


async def alert_overrun(context: Any) -> None:
    """Send the alert that a run missed its deadline, in the triggerer.

    Args:
        context: the deadline, and the run of the DAG as the API shows it.
    """
    # The runs of a backfill are created at once, and wait for each other.
    if (run := context["dag_run"])["state"] == "running" and run["run_type"] != "backfill":
        await asyncio.to_thread(send_overrun, run, context["deadline"]["deadline_time"])


def send_overrun(dag_run: dict[str, Any], due: Any) -> None:
    """Send the alert that a run was to end by the time `due`."""
    from {{{ cookiecutter.package_name }}}.runtime.config import load_params
    from {{{ cookiecutter.package_name }}}.runtime.notify import deadlines

    run_id, asked = dag_run["dag_run_id"], dag_run["conf"] or {}
    reason, period = f"{run_id} was to end by {due}, and is running", asked.get("period") or ""
    more = {"attempt": run_id} | links(dag_run["dag_id"], run_id, asked)
    deadlines.alert_overrun(load_params(), reason, period, **more)


def links(dag_id: str, run_id: str, asked: dict[str, Any]) -> dict[str, str]:
    """Return the page of a run, and the command that starts another one like it."""
    return {
        "run_url": f"{conf.get('api', 'base_url').rstrip('/')}/dags/{dag_id}/runs/{run_id}",
        "rerun": f"airflow dags trigger {dag_id} --conf '{json.dumps(asked)}'",
    }


def run_of(context: Context) -> "Run":
    """Return the run that was planned, else one that names what was refused."""
    from {{{ cookiecutter.package_name }}}.runtime.run import Run, outcome

    if planned := context["ti"].xcom_pull(task_ids="plan"):
        return Run(**planned[0]["run"])
    return outcome.refused_run(context["params"].get("period"), context["dag_run"].run_after)


@deadline_reference()
class RunCreated(BaseDeadlineReference):
    """When a run was created. With `DAGRUN_QUEUED_AT`, Airflow 3.3.2 fails to clear tasks."""

    def _evaluate_with(self, **_: Any) -> datetime:
        return datetime.now(UTC)


class RunAlerts(AirflowPlugin):
    """Registers the deadline reference."""

    name = "run_alerts"
    deadline_references = [RunCreated]  # noqa: RUF012 - Airflow declares it so
