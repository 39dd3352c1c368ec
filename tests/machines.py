"""What machines differ in, and the table of the rendered docs that says what is supported.

`docs/machines.md` of the tree has a row for each entry of `ROWS`. A test that runs a project on
such a machine records what it observed; see `tests/tables.py`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

from tests.projects import Project
from tests.shell import ROOT, TREE
from tests.tables import record

PAGE = ROOT / TREE / "docs/machines.md"

HTTP_PROXY = "`HTTP_PROXY` or `http_proxy`, without `NO_PROXY`"
SOCKS = "`ALL_PROXY=socks5h://…`; `socks://…`, as desktops set it"
PROFILE = "a profile of Prefect's that is active and names a server"
DEAD_PREFECT = "`PREFECT_API_URL`: nothing listens there"
ANOTHER_AIRFLOW = "`AIRFLOW__…` or `AIRFLOW_CONFIG`, for another Airflow"
DEAD = {
    "refused": "`MLFLOW_TRACKING_URI`: nothing listens there",
    "unknown": "`MLFLOW_TRACKING_URI`: a name that nobody knows",
    "hangs": "`MLFLOW_TRACKING_URI`: a server that hangs",
    "500": "`MLFLOW_TRACKING_URI`: a server that fails",
    "403": "`MLFLOW_TRACKING_URI`: a server that refuses",
    "html": "`MLFLOW_TRACKING_URI`: a server of something else",
}
TWO_RUNS = "two `make run` at once, in a new folder"
RESET = "`make reset` or `make clean` during a run"

NO_START = "a server of `make ui` that does not start"

FIRST_COMMIT = {
    "nothing": "git without a name and an email; `user.useConfigOnly`",
    "commit.gpgSign": "`commit.gpgSign`, without a key",
    "core.hooksPath": "a hook that fails, of `core.hooksPath` or `init.templateDir`",
    "core.autocrlf": "`core.autocrlf=true`",
}
FOREIGN = "a repository that belongs to another user"
HOOK = "`GIT_DIR` and others, as in a hook of another repository"
A_FOLDER = "a repository of which the project is a folder"
VARIABLES = "`UV_NO_DEV`, `UV_PROJECT_ENVIRONMENT`, `PYTHONPATH`, `PYTHONHOME`, `PIP_TARGET`, …"
OLD_UV = "a uv that is older than 0.8"
WORKSPACE = "a uv workspace around the folder"
NO_DATES = "a package index without upload times, such as Artifactory and Nexus"
NAMELESS = "a user without a name, and no home"
PATHS = "a path with blanks, quotes or letters such as ü"

SETTINGS = [
    *FIRST_COMMIT.values(), FOREIGN, HOOK, A_FOLDER, VARIABLES, OLD_UV, WORKSPACE, NO_DATES,
    NAMELESS, PATHS,
]  # fmt: skip

ROWS = [
    HTTP_PROXY,
    SOCKS,
    PROFILE,
    DEAD_PREFECT,
    ANOTHER_AIRFLOW,
    *DEAD.values(),
    TWO_RUNS,
    RESET,
    NO_START,
    *SETTINGS,
]
"""The rows of the page, in their order."""

COLUMNS = ("what happens", "`make doctor` says")


def record_machine(row: str, happens: str, found: str = "nothing") -> None:
    """Record what happens on such a machine, and the line of `make doctor` about it."""
    said = plain(happens)
    for column, seen in zip(COLUMNS, (said, plain(found).replace(said, "the same")), strict=True):
        record(PAGE, row, column, seen)


def doctor(project: Project, **variables: str) -> dict[str, str]:
    """Return the lines of `make doctor`, such as `ERROR tracker: …`, by the names of the checks."""
    _, said = project.python("doctor", **variables)
    return {line[6:].partition(":")[0]: line for line in said.splitlines()}


def plain(text: str) -> str:
    """Return a sentence without what differs between runs, or would end a cell."""
    text = re.sub(r"(127\.0\.0\.1|localhost):\d+", r"\1:…", text.strip())
    return " ".join(text.removeprefix("error: ").replace("|", "/").split())


class Company(ThreadingHTTPServer):
    """A server that gives one answer to all, such as a proxy for which this machine is unknown."""

    daemon_threads = True

    def __init__(self, answer: str) -> None:
        self.answer, self.asked, self.closing = answer, list[str](), Event()
        super().__init__(("127.0.0.1", 0), Answering)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answering(BaseHTTPRequestHandler):
    """Answers with a status, or a page, or hangs."""

    server: Company

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.server.answer == "hangs":
            self.server.closing.wait()
            return
        status = 200 if self.server.answer == "html" else int(self.server.answer)
        page = b"<html>Welcome</html>"
        self.send_response(status)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_CONNECT = do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def company(answer: str) -> Iterator[Company]:
    """Run such a server."""
    with Company(answer) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.closing.set()
        server.shutdown()
