"""Tells people how runs of the DAG end, and that one takes too long.

In the folder of plugins: the triggerer, which says that a deadline is missed, sees no other.
"""

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk import BaseNotifier, Context
from airflow.sdk.configuration import conf
from airflow.sdk.definitions.deadline import BaseDeadlineReference, deadline_reference

if TYPE_CHECKING:
    from {{{ cookiecutter.package_name }}}.workspace import Run


class RunAlert(BaseNotifier):
    """An alert of a run, to `ALERT_URLS`: as a callback of the DAG, or of its deadline."""

    def notify(self, context: Context) -> None:
        """Say how a run ended, in the DAG processor; nothing where it had nothing to do."""
        from {{{ cookiecutter.package_name }}}.alerts import tell
        from {{{ cookiecutter.package_name }}}.results import left, write_failed

        if "ti" not in context:  # no task was run: there was nothing to do
            return
        run, dag_run = run_of(context), context["dag_run"]
        asked = json.dumps((dag_run.conf or {}) | ({"period": run.period} if run.period else {}))
        result = left(run)
        if result is None and dag_run.state == "failed":  # on a full disk, say
            unknown = RuntimeError("a task failed: its log says why")
            result = write_failed(run, "airflow", unknown, step=context["ti"].task_id)
        tell(
            run,
            result,
            attempt=f"{dag_run.run_id} {dag_run.clear_number}",
            run_url=page_of(dag_run.dag_id, dag_run.run_id),
            rerun=f"airflow dags trigger {dag_run.dag_id} --conf '{asked}'",
        )

    async def async_notify(self, context: Any) -> None:
        """Say that a run takes longer than it may, in the triggerer."""
        await asyncio.to_thread(self.say_late, context)

    def say_late(self, context: Any) -> None:
        """Send the alert of a deadline that was missed.

        Args:
            context: what the triggerer has of it: the run of the DAG, as the API shows it, and the
                deadline.
        """
        from upath import UPath

        from {{{ cookiecutter.package_name }}}.alerts import notify
        from {{{ cookiecutter.package_name }}}.events import Event
        from {{{ cookiecutter.package_name }}}.params import load_params

        dag_run, due = context["dag_run"], context["deadline"]["deadline_time"]
        if dag_run["state"] != "running" or dag_run["run_type"] == "backfill":
            return  # it has ended; or it is one of many, made at once, that wait for each other
        dag_id, run_id = dag_run["dag_id"], dag_run["dag_run_id"]
        hour = due if isinstance(due, str) else f"{due:%Y-%m-%d %H:%M %Z}"
        event = Event(
            kind="deadline_missed",
            title="a run takes too long",
            reason=f"{run_id} was to end by {hour}, and is {dag_run['state']}",
            period=(dag_run["conf"] or {}).get("period") or "",
            attempt=run_id,
            run_url=page_of(dag_id, run_id),
            rerun=f"airflow dags trigger {dag_id} --conf '{json.dumps(dag_run['conf'] or {})}'",
        )
        notify(event, UPath(load_params().runs))


@deadline_reference()
class RunCreated(BaseDeadlineReference):
    """When a run of the DAG was made: what its deadline counts from.

    With Airflow's own `DAGRUN_QUEUED_AT`, no task of a run can be cleared: 3.3.2 fails on it.
    """

    def _evaluate_with(self, **_: Any) -> datetime:
        return datetime.now(UTC)


class RunAlerts(AirflowPlugin):
    """What Airflow must know of before it meets it in a DAG."""

    name = "run_alerts"
    deadline_references = [RunCreated]  # noqa: RUF012 - Airflow declares it so


def run_of(context: Context) -> "Run":
    """Return the run that was planned, or the name of one that was refused."""
    from {{{ cookiecutter.package_name }}}.params import load_params
    from {{{ cookiecutter.package_name }}}.results import refused
    from {{{ cookiecutter.package_name }}}.workspace import Run

    planned = context["ti"].xcom_pull(task_ids="plan", key="run")
    if planned:
        return Run.model_validate_json(planned)
    asked, when = context["params"].get("period"), context["dag_run"].run_after
    return refused(load_params(), asked, when)


def page_of(dag_id: str, run_id: str) -> str:
    """Return the address of a run's page."""
    return f"{conf.get('api', 'base_url').rstrip('/')}/dags/{dag_id}/runs/{run_id}"
