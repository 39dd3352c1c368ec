"""Airflow's settings on this machine, and its command line with them.

All that Airflow keeps is in `.airflow/`. For example: `.venv/bin/python -m ops.airflow dags list`.
"""

import json
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".airflow"
LOCK = HOME / "ui.lock"  # which `make ui` holds
ADDRESS = HOME / "ui.address"  # of Airflow's API, once `make ui` is ready


def configure(database: str = "airflow.db") -> None:
    """Set the environment of Airflow, before it is imported, for this process and its children."""
    HOME.mkdir(exist_ok=True)
    HOME.chmod(0o700)  # it holds the password of `make ui`
    port = os.environ.setdefault("AIRFLOW_PORT", "8080")
    os.environ |= {
        "PATH": f"{ROOT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
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


def password() -> str:
    """Return the password that Airflow's API server generated for the user `admin`."""
    file = HOME / "simple_auth_manager_passwords.json.generated"
    return str(json.loads(file.read_text())["admin"])


if __name__ == "__main__":
    configure()
    from airflow.__main__ import main

    main()  # type: ignore[no-untyped-call]
