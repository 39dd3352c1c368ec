"""The template's own workflows, executed with short commands in place of the tests."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.projects import interpreter
from tests.shell import TREE, Shell
from tests.workflows.hub import Event, Hub
from tests.workflows.machine import variables_of
from tests.workflows.runner import Run, run

pytestmark = pytest.mark.skipif(
    not all(map(interpreter, ("3.11", "3.12", "3.13"))),
    reason="not all of Python 3.11, 3.12 and 3.13 are installed",
)

# GitHub's machines have `gh`. This one has an open issue or none, and records its arguments.
# The newest release of every action is old, except for one action, which was released today.
GH = """#!/bin/sh
case "$*" in
  "api repos/{young}/releases/latest"*) date --utc '+v99.0.0 %FT23:59:59Z'; exit ;;
  "api repos/"*"/releases/latest"*) echo '{tag} 2020-01-01T00:00:00Z'; exit ;;
  "api repos/"*"/commits/{tag}"*) echo {commit}; exit ;;
esac
printf '%s\\n' "$*" >> {asked}
case "$*" in "issue list"*) cat {open} ;; esac
"""
YOUNG = "actions/checkout"
COMMIT = "0123456789" * 4
PIN = re.compile(r"uses: ([\w.-]+/[\w.-]+)@(\S+ # \S+)")
ONE_FOLDER = {"[alerts, faults, kubeflow, render, run, stack, update, workflows]": "[render]"}
EACH_TEST = 'make matrix ARGS="tests/$TESTS"'


class GitHub:
    """The template's repository on GitHub, and what `gh` was asked."""

    def __init__(self, shell: Shell, folder: Path) -> None:
        self.hub = Hub.of(shell, shell.home / "template", folder / "hub")
        self.folder = folder
        self.asked, self.open = folder / "asked", folder / "open"
        self.open.write_text("")
        self.gh = folder / "bin" / "gh"
        self.gh.parent.mkdir()
        self.newest("v99.0.0")
        self.gh.chmod(0o755)
        self.path = f"{self.gh.parent}:{variables_of(shell)['PATH']}"

    def newest(self, tag: str) -> None:
        """Set the newest release of every action."""
        answers = {"young": YOUNG, "tag": tag, "commit": COMMIT}
        self.gh.write_text(GH.format(asked=self.asked, open=self.open, **answers))

    def workflows(self, branch: str) -> dict[str, str]:
        """Return the text of each workflow of the tree, by its name."""
        folder = f"{TREE}/.github/workflows"
        listed = self.hub.git("ls-tree", "-r", "--name-only", branch, folder).splitlines()
        return {file: self.hub.text(branch, file) for file in listed}

    def run(
        self,
        event: Event,
        workflow: str,
        tests: str = "true",
        replaced: dict[str, str] | None = None,
    ) -> Run:
        """Run a workflow in which another command replaces each folder's tests."""
        number = len(list(self.folder.glob("run-*")))
        done = run(
            self.hub,
            event,
            workflow,
            self.folder / f"run-{number}",
            replaced={EACH_TEST: tests, 'make test ARGS="tests/$TESTS"': tests} | (replaced or {}),
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
    assert done.results == {"today": "success", "matrix": "failure", "report": "success"}
    listed, created = github.asked.read_text().splitlines()
    assert listed.startswith("issue list --state open")
    assert created.startswith("issue create --title Today's versions of the packages break")
    today = f"{datetime.now(UTC):%F}"
    assert f"`exclude-newer` of {today}, the result of the matrix is failure: https:" in created

    github.open.write_text("7\n")
    github.run(github.hub.schedule(), "nightly.yml", one_fails)
    assert github.asked.read_text().splitlines()[-1].startswith("issue comment 7 --body")


def test_a_nightly_matrix_that_hangs_opens_an_issue(github: GitHub) -> None:
    hangs = {"timeout-minutes: 180": "timeout-minutes: 0.1"}
    one_hangs = 'test "$TESTS" != stack || sleep 60'
    done = github.run(github.hub.schedule(), "nightly.yml", one_hangs, hangs)
    assert done.results == {"today": "success", "matrix": "cancelled", "report": "success"}
    assert "the result of the matrix is cancelled: https:" in github.asked.read_text()


def test_a_nightly_matrix_that_never_starts_opens_an_issue(github: GitHub) -> None:
    broken = {"date --utc +%F)": 'date --utc +%F)"; false "'}
    done = github.run(github.hub.schedule(), "nightly.yml", replaced=broken)
    assert done.results == {"today": "failure", "matrix": "skipped", "report": "success"}
    assert "the result of the matrix is skipped: https:" in github.asked.read_text()


def test_a_nightly_matrix_that_passes_says_nothing(github: GitHub) -> None:
    done = github.run(
        github.hub.schedule(), "nightly.yml", f"grep {datetime.now(UTC):%F} pyproject.toml"
    )
    assert done.results == {"today": "success", "matrix": "success", "report": "skipped"}
    assert not github.asked.exists()


def test_new_versions_are_proposed_once_every_test_has_passed(github: GitHub) -> None:
    done = github.run(github.hub.schedule(), "new-versions.yml", "false")
    assert done.results["propose"] == "skipped"
    assert github.hub.pulls == {}

    done = github.run(github.hub.schedule(), "new-versions.yml")
    assert done.result == "success"
    date = f"{datetime.now(UTC) - timedelta(days=7):%F}"
    assert github.hub.pulls["new-versions"]["title"] == f"Take the versions of {date}"
    workflows, dated = github.workflows("main"), ["pyproject.toml", f"{TREE}/pyproject.toml"]
    changed = github.hub.git("diff", "--name-only", "main", "new-versions").splitlines()
    assert sorted(changed) == sorted([*workflows, *dated])
    line = f'exclude-newer = "{date}T00:00:00Z"'
    assert all(line in github.hub.text("new-versions", file) for file in dated)


def test_the_trees_actions_move_to_releases_that_are_old_enough(github: GitHub) -> None:
    github.run(github.hub.schedule(), "new-versions.yml", replaced=ONE_FOLDER)
    before, after = (
        [pin for text in workflows.values() for pin in PIN.findall(text)]
        for workflows in (github.workflows("main"), github.workflows("new-versions"))
    )
    assert len(before) > 10
    assert after == [
        (action, pin if action == YOUNG else f"{COMMIT} # v99.0.0") for action, pin in before
    ]


def test_a_release_that_is_no_version_is_not_pinned(github: GitHub) -> None:
    github.newest("nightly")
    done = github.run(github.hub.schedule(), "new-versions.yml", replaced=ONE_FOLDER)
    assert done.results["propose"] == "skipped"
    assert "is 'nightly', no version such as v1.2.3: pin the action by hand." in str(done)


def test_a_version_is_tagged_and_released_once_every_test_has_passed(github: GitHub) -> None:
    done = github.run(github.hub.dispatch(version="0.1.0"), "release.yml", "false")
    assert done.results == {"check": "success", "test": "failure", "release": "skipped"}
    assert not github.asked.exists()

    done = github.run(github.hub.dispatch(version="0.1.0"), "release.yml")
    assert done.result == "success"
    words, _, notes_file = github.asked.read_text().strip().partition(" --notes-file ")
    target = github.hub.git("rev-parse", "main")
    assert words == (f"release create v0.1.0 --target {target} --prerelease=false --title v0.1.0")
    notes = Path(notes_file).read_text()
    assert notes.strip().startswith("The first release.")
    assert "## " not in notes.replace("### ", "")


@pytest.mark.parametrize("version", ["0.2.0a1", "0.2.0b2", "0.2.0rc1", "0.2.0.dev1"])
def test_a_prerelease(github: GitHub, version: str) -> None:
    files = {
        "pyproject.toml": f'version = "{version}"\n',
        "CHANGELOG.md": f"## {version} - 2026-12-01\n\nTo try.\n",
    }
    github.hub.commit("main", files)
    done = github.run(github.hub.dispatch(version=version), "release.yml", replaced=ONE_FOLDER)
    assert done.result == "success"
    assert f" --prerelease=true --title v{version} " in github.asked.read_text()


def test_another_version_is_not_released(github: GitHub) -> None:
    done = github.run(github.hub.dispatch(version="9.9.9"), "release.yml")
    assert done.results == {"check": "failure", "test": "skipped", "release": "skipped"}
    assert "pyproject.toml has another version than 9.9.9" in str(done)
    assert not github.asked.exists()


@pytest.mark.slow
def test_a_pull_request(github: GitHub) -> None:
    github.hub.commit("change", {"LICENSE": "Changed.\n"})
    done = github.run(github.hub.pull_request("change"), "ci.yml", 'test -d "tests/$TESTS"')
    assert done.result == "success"
