"""Airflow's settings for this project: all it keeps lies in `.airflow/`, nothing in your home.

Import this before Airflow. In a shell, `eval "$(.venv/bin/python scripts/airflow_settings.py)"`
makes `airflow` find them.
"""

import os
import shlex
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
HOME = PROJECT / ".airflow"
PORT = os.environ.get("AIRFLOW_PORT", "8080")


def database(name: str) -> str:
    """Return the address of a SQLite file, for which processes wait for each other, not 5 s but 60.

    On a busy machine, 5 s are not enough: "database is locked" then ends a backfill half created,
    and the scheduler with it.
    """
    return f"sqlite:///{HOME / name}?timeout=60"


SETTINGS = {
    "PATH": f"{PROJECT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}",
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database("airflow.db"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__API__HOST": "127.0.0.1",
    "AIRFLOW__API__PORT": PORT,
    "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{PORT}",
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
    # What was running when the scheduler was killed goes on half a minute after its next start.
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
}
os.environ.update(SETTINGS)
HOME.mkdir(exist_ok=True)
HOME.chmod(0o700)  # the passwords of `make ui` are in there

if __name__ == "__main__":
    for name, value in SETTINGS.items():
        print(f"export {name}={shlex.quote(value)}")
