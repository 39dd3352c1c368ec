"""The template's own workflows, executed; in the place of all tests, each runs something short."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.projects import interpreter
from tests.shell import TREE, Shell
from tests.workflows.hub import Event, Hub
from tests.workflows.machine import variables_of
from tests.workflows.runner import Run, run

pytestmark = pytest.mark.skipif(not interpreter("3.12"), reason="Python 3.12 is not installed")

# `gh` is on every machine of GitHub's. This one has an open issue or none, and notes its words.
GH = """#!/bin/sh
printf '%s\\n' "$*" >> {asked}
case "$*" in "issue list"*) cat {open} ;; esac
"""
EACH_TEST = 'make matrix ARGS="tests/$TESTS"'


class GitHub:
    """The template's repository on GitHub, and what `gh` was asked."""

    def __init__(self, shell: Shell, folder: Path) -> None:
        self.hub = Hub.of(shell, shell.home / "template", folder / "hub")
        self.folder = folder
        self.asked, self.open = folder / "asked", folder / "open"
        self.open.write_text("")
        gh = folder / "bin" / "gh"
        gh.parent.mkdir()
        gh.write_text(GH.format(asked=self.asked, open=self.open))
        gh.chmod(0o755)
        self.path = f"{gh.parent}:{variables_of(shell)['PATH']}"

    def run(self, event: Event, workflow: str, tests: str = "true") -> Run:
        """Run a workflow, in which something else is run for each folder of tests."""
        number = len(list(self.folder.glob("run-*")))
        done = run(
            self.hub,
            event,
            workflow,
            self.folder / f"run-{number}",
            replaced={EACH_TEST: tests, 'make test ARGS="tests/$TESTS"': tests},
            environment={"PATH": self.path},
        )
        print(done)
        return done


@pytest.fixture
def github(shell: Shell, tmp_path: Path) -> GitHub:
    return GitHub(shell, tmp_path)


def test_a_nightly_matrix_that_fails_opens_an_issue(github: GitHub) -> None:
    one_fails = 'echo "$TESTS"; test "$TESTS" != stack'
    done = github.run(github.hub.schedule(), "nightly.yml", one_fails)
    assert done.results == {"today": "success", "matrix": "failure", "tell": "success"}
    listed, created = github.asked.read_text().splitlines()
    assert listed.startswith("issue list --state open")
    assert created.startswith("issue create --title Today's versions of the packages break")
    today = f"{datetime.now(UTC):%F}"
    assert f"`exclude-newer` of {today}, the matrix failed: https://github.com/" in created

    github.open.write_text("7\n")
    github.run(github.hub.schedule(), "nightly.yml", one_fails)
    assert github.asked.read_text().splitlines()[-1].startswith("issue comment 7 --body")


def test_a_nightly_matrix_that_passes_says_nothing(github: GitHub) -> None:
    done = github.run(
        github.hub.schedule(), "nightly.yml", f"grep {datetime.now(UTC):%F} pyproject.toml"
    )
    assert done.results == {"today": "success", "matrix": "success", "tell": "skipped"}
    assert not github.asked.exists()


def test_new_versions_are_proposed_once_every_test_has_passed(github: GitHub) -> None:
    done = github.run(github.hub.schedule(), "new-versions.yml", "false")
    assert done.results["propose"] == "skipped"
    assert github.hub.pulls == {}

    done = github.run(github.hub.schedule(), "new-versions.yml")
    assert done.result == "success"
    date = f"{datetime.now(UTC) - timedelta(days=7):%F}"
    assert github.hub.pulls["new-versions"]["title"] == f"Take the versions of {date}"
    changed = github.hub.git("diff", "--name-only", "main", "new-versions").splitlines()
    assert changed == ["pyproject.toml", f"{TREE}/pyproject.toml"]
    line = f'exclude-newer = "{date}T00:00:00Z"'
    assert all(line in github.hub.text("new-versions", file) for file in changed)


def test_a_tag_becomes_a_release(github: GitHub) -> None:
    github.hub.git("tag", "v0.1.0", "main")
    done = github.run(github.hub.tag("v0.1.0"), "release.yml")
    assert done.result == "success"
    asked = github.asked.read_text()
    assert asked.startswith("release create v0.1.0 --verify-tag --title v0.1.0 --notes-file /")
    notes = Path(asked.split()[-1]).read_text()
    assert notes.strip().startswith("The first release.")
    assert "## " not in notes.replace("### ", "")


def test_a_tag_of_another_version_is_no_release(github: GitHub) -> None:
    github.hub.git("tag", "v9.9.9", "main")
    done = github.run(github.hub.tag("v9.9.9"), "release.yml")
    assert done.result == "failure"
    assert "pyproject.toml has another version than 9.9.9" in str(done)
    assert not github.asked.exists()


@pytest.mark.slow
def test_a_pull_request(github: GitHub) -> None:
    github.hub.commit("change", {"LICENSE": "Changed.\n"})
    done = github.run(github.hub.pull_request("change"), "ci.yml", 'test -d "tests/$TESTS"')
    assert done.result == "success"
