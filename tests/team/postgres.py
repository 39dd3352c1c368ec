"""A Postgres server of a test: processes of this machine, from the binaries on the PATH."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from tests.projects import free_port, lacking, until

PROGRAMS = ("initdb", "pg_ctl", "psql")
SECRET = "hunter2-of-root"  # noqa: S105


class Postgres:
    """A server whose superuser is `postgres`; Postgres refuses to run as root."""

    def __init__(self) -> None:
        """Make an empty cluster in a folder that its user can reach."""
        if missing := [name for name in PROGRAMS if not shutil.which(name)]:
            lacking(f"Postgres is not on the PATH: {', '.join(missing)}")
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self.port = free_port()
        password = self.folder / "password"
        password.write_text(SECRET)
        if os.getuid() == 0:
            for path in (self.folder, password):
                shutil.chown(path, "nobody")
        self._as_its_user(
            *("initdb", "-D", self.data, "-U", "postgres", "-A", "scram-sha-256"),
            *("-E", "UTF8", "--locale", "C.UTF-8", f"--pwfile={password}"),
        )

    @property
    def data(self) -> str:
        """The folder of its data."""
        return str(self.folder / "data")

    def _as_its_user(self, *command: str) -> None:
        nobody = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
        words = [*(nobody if os.getuid() == 0 else ()), *command]
        # Its output would keep a pipe open as long as the server runs.
        with (self.folder / "commands.log").open("ab") as log:
            subprocess.run(words, cwd=self.folder, stdout=log, stderr=log, check=True)

    def __enter__(self) -> Self:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = str(self.folder / "server.log")
        self._as_its_user("pg_ctl", "-D", self.data, "-l", log, "-o", options, "-w", "start")
        return self

    def __exit__(self, *_: object) -> None:
        self._as_its_user("pg_ctl", "-D", self.data, "-m", "immediate", "stop")
        shutil.rmtree(self.folder)

    def start(self, database: str = "postgres") -> "subprocess.Popen[str]":
        """Start a session of the superuser."""
        words = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.Popen(
            [*words, "-U", "postgres", database],
            env=os.environ | {"PGPASSWORD": SECRET},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __call__(self, statement: str, database: str = "postgres") -> str:
        """Return what a statement of the superuser prints."""
        session = self.start(database)
        said, _ = session.communicate(statement)
        assert session.returncode == 0, said
        return said.strip()

    @contextmanager
    def locked(self, table: str, database: str) -> Iterator[None]:
        """Let everybody wait who reads a table."""
        session = self.start(database)
        assert session.stdin is not None
        session.stdin.write(f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;\n")
        session.stdin.flush()
        lock = f"SELECT 1 FROM pg_locks WHERE relation = '{table}'::regclass AND granted"
        until(lambda: self(f"{lock} AND mode = 'AccessExclusiveLock'", database))
        yield
        session.communicate("COMMIT;\n")

    def waiting(self, user: str) -> str:
        """Return the processes of a user's sessions that wait for a lock."""
        return self(
            "SELECT pid FROM pg_stat_activity "
            f"WHERE usename = '{user}' AND wait_event_type = 'Lock'"
        )

    def terminate(self, user: str) -> None:
        """Cut all connections of a user."""
        self(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{user}'")
