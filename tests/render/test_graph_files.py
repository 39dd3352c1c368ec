"""What the graph files say at first: schedules, limits and owners. A team may change all of it."""

import ast
import re
from pathlib import Path

import pytest

from tests.projects import ORCHESTRATORS

# Training at 6:00 in New York on the 2nd; the check of deadlines at 9:00, on a cluster hourly.
# The cron of KFP is in UTC and begins with seconds.
CRONS = {
    "prefect": {"prefect.yaml": ["0 6 2 * *", "0 9 * * *"]},
    "airflow": {"dags/training.py": ["0 6 2 * *"], "dags/deadline.py": ["0 9 * * *"]},
    "kubeflow": {
        "pipelines/schedule.py": ["0 0 11 2 * *"],
        "ops/kubernetes/base/deadlines.yaml": ["7 * * * *"],
    },
}
CRON = re.compile(r"\"((?:[\d*]+ ){4,5}[\d*]+)\"")
# Limits of tasks, in minutes.
LIMITS = {
    "prefect": ("flows/training.py", r"timeout_seconds=(\d+)", 1 / 60),
    "airflow": ("dags/training.py", r"execution_timeout\W+timedelta\(((?:hours|minutes)=\d+)\)", 1),
    "kubeflow": ("pipelines/training.py", r"minutes(?:: int)? ?= ?(\d+)", 1),
}
FEWEST_LIMITS = 2


def text(projects: dict[str, Path], orchestrator: str, file: str) -> str:
    return (projects[orchestrator] / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("orchestrator", ORCHESTRATORS)
def test_schedules(by_orchestrator: dict[str, Path], orchestrator: str) -> None:
    for file, crons in CRONS[orchestrator].items():
        found = CRON.findall(text(by_orchestrator, orchestrator, file))
        assert found == crons, file


def minutes(limit: str, unit: float) -> float:
    """Return a limit as a number of minutes."""
    kind, _, number = limit.rpartition("=")
    return float(ast.literal_eval(number)) * (60 if kind == "hours" else unit)


@pytest.mark.parametrize("orchestrator", ORCHESTRATORS)
def test_no_task_takes_more_than_an_hour(
    by_orchestrator: dict[str, Path], orchestrator: str
) -> None:
    file, pattern, unit = LIMITS[orchestrator]
    found = [
        minutes(limit, unit)
        for limit in re.findall(pattern, text(by_orchestrator, orchestrator, file))
    ]
    assert len(found) >= FEWEST_LIMITS
    assert 0 < min(found) <= max(found) <= 60


def test_airflow_retries_as_documented(by_orchestrator: dict[str, Path]) -> None:
    """Three times, with delays that double up to ten minutes."""
    dag = text(by_orchestrator, "airflow", "dags/training.py")
    assert '"retries": 3,' in dag
    assert '"retry_exponential_backoff": 2,' in dag
    assert '"max_retry_delay": timedelta(minutes=10),' in dag


def test_airflow_names_the_author_as_owner(by_orchestrator: dict[str, Path]) -> None:
    assert '"owner": "ML Team"' in text(by_orchestrator, "airflow", "dags/training.py")
    assert "timedelta(hours=2)" in text(by_orchestrator, "airflow", "dags/training.py")
