"""Airflow's settings on this machine, and its command line with them.

All that Airflow keeps is in `.airflow/`. For example: `.venv/bin/python -m ops.airflow dags list`.
"""

import json
import os
import sys
from pathlib import Path

from {{{ cookiecutter.package_name }}}.runtime import proxies

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".airflow"
LOCK = HOME / "ui.lock"  # which `make ui` holds
ADDRESS = HOME / "ui.address"  # of Airflow's API, once `make ui` is ready


def configure(database: str = "airflow.db") -> None:
    """Set the environment of Airflow, before it is imported, for this process and its children."""
    proxies.bypass("in-process.invalid.")  # what a process calls an API server within itself
    HOME.mkdir(exist_ok=True)
    HOME.chmod(0o700)  # it holds the password of `make ui`
    settings = settings_for(database)
    if others := foreign(settings):
        names, file = ", ".join(others), HOME / "airflow.cfg"
        print(f"Ignored, as settings of another Airflow: {names}. Yours: {file}.", file=sys.stderr)
        for name in others:
            del os.environ[name]
    os.environ |= settings


def foreign(settings: dict[str, str]) -> list[str]:
    """Return the variables of the environment that configure Airflow otherwise."""
    return sorted(
        name
        for name, value in os.environ.items()
        if name == "AIRFLOW_CONFIG"
        or (name.startswith("AIRFLOW__") and value != settings.get(name))
    )


def settings_for(database: str = "airflow.db") -> dict[str, str]:
    """Return the variables that configure Airflow, with a database in its folder."""
    port = os.environ.get("AIRFLOW_PORT", "8080")
    return {
        "AIRFLOW_PORT": port,
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
