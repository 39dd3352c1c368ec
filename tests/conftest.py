"""What all tests share: a home with the template, and a project of each orchestrator."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import tables
from tests.alerts.receiver import Receiver
from tests.projects import (  # noqa: F401 - fixtures
    airflow,
    fresh,
    kubeflow,
    on_airflow,
    on_kubeflow,
    project,
)
from tests.shared import once
from tests.shell import Shell, copy_template

# The same few examples in every run; `--hypothesis-profile=matrix` looks for new ones.
LASTING = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("few", LASTING, max_examples=10, derandomize=True)
settings.register_profile("matrix", LASTING, max_examples=200, print_blob=True)
settings.load_profile("few")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return the folder of this session that all workers see."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


def make_home(home: Path) -> Shell:
    """Make a home with a copy of the template, tagged v1.0.0, in its `template/`."""
    shell = Shell(home)
    copy_template(home / "template")
    shell.commit(home / "template", "First version", tag="v1.0.0")
    return shell


@pytest.fixture(scope="session")
def make_shell(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Shell]:
    """Make homes that a test may change."""
    return lambda: make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def shell(shared: Path) -> Shell:
    """Share one home and template among the tests that change neither."""
    home = shared / "home"
    once(home, lambda: make_home(home))
    return Shell(home)


@pytest.fixture(scope="session")
def template(shell: Shell) -> Path:
    """Return the folder of the shared template."""
    return shell.home / "template"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """Receive the alerts of all tests of a file."""
    with Receiver() as receiver:
        yield receiver


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Add the table cells that a test observed to its report, which its worker sends."""
    item.user_properties += tables.SEEN
    tables.SEEN.clear()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the cells of the tables in docs/ that this run observed."""
    ended = [report for reports in terminalreporter.stats.values() for report in reports]
    seen = [
        cell
        for report in ended
        if getattr(report, "when", "") == "teardown"
        for cell in report.user_properties
    ]
    for page in sorted({page for page, _ in seen}):
        terminalreporter.section(f"seen, and kept in {page}")
        for cell in (cell for where, cell in seen if where == page):
            terminalreporter.write_line(f"| {cell} |")
