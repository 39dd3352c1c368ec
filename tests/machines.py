"""What machines differ in, and the table of the rendered docs that says what is supported.

`docs/machines.md` of the tree has a row for each entry of `ROWS`. A test that runs a project on such
a machine records what it observed; see `tests/tables.py`.
"""

import re

from tests.projects import Project
from tests.shell import ROOT, TREE
from tests.tables import record

PAGE = ROOT / TREE / "docs/machines.md"

PROXIES = [
    "`HTTP_PROXY` or `http_proxy`, without `NO_PROXY`",
    "`ALL_PROXY=socks5h://…` or `socks5://…`",
    "`ALL_PROXY=socks://…`, as desktops set it",
]

ROWS = [*PROXIES]
"""The rows, in their order."""


def record_machine(row: str, happens: str, doctor: str) -> None:
    """Record what happens on such a machine, and what `make doctor` says there."""
    record(PAGE, row, "what happens", plain(happens))
    record(PAGE, row, "`make doctor` says", plain(doctor))


def finding(project: Project, name: str, **variables: str) -> str:
    """Return the line of `make doctor` of this name, such as `ERROR tracker: …`."""
    given = [f"{key}={value}" for key, value in variables.items()]
    command = ["env", *given, project.folder / ".venv/bin/python", "-m", "my_pipeline", "doctor"]
    said = project.shell(*command, cwd=project.folder, ok=False).stdout
    lines = [line for line in said.splitlines() if line[6:].startswith(f"{name}: ")]
    return lines[0].strip() if lines else "nothing"


def plain(text: str) -> str:
    """Return a sentence without what differs between runs, and without what ends a cell."""
    text = re.sub(r"(127\.0\.0\.1|localhost):\d+", r"\1:…", text.strip())
    return " ".join(text.removeprefix("error: ").replace("|", "/").split())
