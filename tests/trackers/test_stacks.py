"""The stack of each tracker beside MLflow: a run, its page, a backup."""

import urllib.request
from collections.abc import Iterator

import pytest

from tests.offered import BESIDE_MLFLOW, TRACKERS
from tests.projects import install, need_docker, until
from tests.shell import Shell
from tests.stack.compose import Stack, pages
from tests.stack.test_stack import (  # the same holds here, of this module's `stack`
    test_containers_may_do_little,
    test_it_is_up_when_make_returns,
    test_nothing_is_published_beyond_this_machine,
)

__all__ = [
    "test_containers_may_do_little",
    "test_it_is_up_when_make_returns",
    "test_nothing_is_published_beyond_this_machine",
]

pytestmark = [pytest.mark.slow, pytest.mark.matrix, pytest.mark.xdist_group("stack")]


@pytest.fixture(scope="module", params=BESIDE_MLFLOW)
def stack(request: pytest.FixtureRequest, shell: Shell) -> Iterator[Stack]:
    """Return a stack that `make up` started; under Kubeflow, it has the fewest services."""
    need_docker()
    answers = {"tracker": request.param, "orchestrator": "kubeflow"}
    project = install(shell, f"stack-with-{request.param}", **answers)
    stack = Stack(project, answers["orchestrator"], answers["tracker"])
    stack.prepare()
    try:
        stack.project.make("up")
        yield stack
    finally:
        stack.compose("--profile", "*", "down", "--volumes", ok=False)


def test_a_run_is_released_and_has_its_page(stack: Stack) -> None:
    stack.trigger("2013-05")
    result = stack.ends("2013-05")
    assert (result["status"], result["tracker"]) == ("released", TRACKERS[stack.tracker].name)
    if page := result["tracker_url"]:
        (port,) = pages(stack.tracker)
        assert page.startswith(f"http://127.0.0.1:{stack.ports[port]}/")
        with urllib.request.urlopen(page, timeout=30) as answer:  # noqa: S310
            assert answer.status == 200
    assert "ERROR" not in stack.tool("doctor")
    until(lambda: stack.query("pipeline_tracker_up == 1"))


def test_a_backup_fills_an_empty_stack(stack: Stack) -> None:
    """And the next period is compared with the champion that was restored."""
    champion = stack.tool("status").partition("Champion: ")[2].partition(", registered")[0]
    assert champion.endswith("evaluated on 2013-05")
    stack.project.make("backup")
    (folder,) = stack.project.folder.glob("backups/*")
    stack.compose("--profile", "*", "down", "--volumes")
    stack.project.make("restore", f"FROM=backups/{folder.name}")
    stack.project.make("up")
    assert champion in stack.tool("status")
    stack.trigger("2013-06")
    assert stack.ends("2013-06")["champion_before"]["period"] == "2013-05"
