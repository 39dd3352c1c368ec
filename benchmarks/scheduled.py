"""Run a DAG with a running scheduler.

Run with the environment of a rendered project and its settings of Airflow:
`python -P scheduled.py DAG_ID CONF`; without -P, the `airflow.py` beside this is taken for Airflow.
Waits until nothing runs, so the run of the schedule that comes first is over. Prints the seconds of
each task (from its first start to its last end), between them, and of the run, as JSON.
"""

import json
import sys
import time
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from airflow.api.common.trigger_dag import trigger_dag
from airflow.models import DagRun
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType

LONGEST = 900


def main(dag_id: str, conf: str) -> None:
    """Trigger a run, wait for its end, and print what it took."""
    until(idle)
    cli = DagRunTriggeredByType.CLI
    run_id = trigger_dag(dag_id=dag_id, conf=conf, triggered_by=cli).run_id
    until(idle)
    (run,) = DagRun.find(dag_id=dag_id, run_id=run_id)
    if run.state != DagRunState.SUCCESS:
        sys.exit(f"The run {run_id} of {dag_id} ended as {run.state}")
    took = by_task(run.get_task_instances())
    whole = (run.end_date - run.start_date).total_seconds()
    print(json.dumps(took | {"between them": whole - sum(took.values()), "the run": whole}))


def by_task(instances: list[Any]) -> dict[str, float]:
    """Return the seconds of each task that ran, in their order."""
    ran = [instance for instance in instances if instance.state == TaskInstanceState.SUCCESS]
    spans: dict[str, tuple[Any, Any]] = {}
    for instance in sorted(ran, key=attrgetter("start_date")):
        started, ended = spans.get(instance.task_id, (instance.start_date, instance.end_date))
        spans[instance.task_id] = started, max(ended, instance.end_date)
    return {task: (ended - started).total_seconds() for task, (started, ended) in spans.items()}


def idle() -> bool:
    """Return whether there was a run, and none is queued or running."""
    unfinished = (DagRunState.QUEUED, DagRunState.RUNNING)
    return bool(DagRun.find()) and not any(DagRun.find(state=state) for state in unfinished)


def until(reached: Callable[[], bool]) -> None:
    """Wait for a condition; exit if that takes too long."""
    deadline = time.monotonic() + LONGEST
    while not reached():
        if time.monotonic() > deadline:
            sys.exit(f"Runs are queued or running for more than {LONGEST} s, or there is none")
        time.sleep(0.5)


if __name__ == "__main__":
    main(*sys.argv[1:])
