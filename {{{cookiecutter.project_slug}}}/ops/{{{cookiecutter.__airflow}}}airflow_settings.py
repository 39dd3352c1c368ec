"""Airflow's settings for this project: all that Airflow keeps is in `.airflow/`.

For `airflow` in a shell: `eval "$(.venv/bin/python ops/airflow_settings.py)"`.
"""

import os
import shlex
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
HOME = PROJECT / ".airflow"


def settings(database: str = "airflow.db") -> dict[str, str]:
    """Return Airflow's environment variables, with a database in `.airflow/`."""
    port = os.environ.get("AIRFLOW_PORT", "8080")
    return {
        "PATH": f"{PROJECT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        # Processes wait for SQLite's lock for 60 s; the default of 5 s fails on a busy machine.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME / database}?timeout=60",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": port,
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        # After a scheduler was killed, the next one resumes its tasks within half a minute.
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    }


def apply(database: str = "airflow.db") -> None:
    """Set the variables for this process and its children, before Airflow is imported."""
    os.environ |= settings(database)
    create_home()


def create_home() -> None:
    """Create `.airflow/`, which holds the password of `make ui`: others may not look into it."""
    HOME.mkdir(exist_ok=True)
    HOME.chmod(0o700)


if __name__ == "__main__":
    create_home()
    for name, value in settings().items():
        print(f"export {name}={shlex.quote(value)}")
