"""The template's own workflows, executed with recorded commands in place of the tests.

act ends a run as soon as a called workflow fails. Where more jobs follow, a job that fails
replaces the call.
"""

import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.shell import ROOT, TREE, Shell
from tests.workflows.act import FOLDER, Recorder, Run, run
from tests.workflows.hub import Event, Hub

pytestmark = pytest.mark.xdist_group("own workflows")

IN_TREE = TREE + "/{{{cookiecutter.__github}}}" + FOLDER

# The newest release of every action is old, except for one action, which was released today.
GH = """
case "$*" in
  "api repos/{young}/releases/latest"*) date --utc '+v99.0.0 %FT23:59:59Z' ;;
  "api repos/"*"/releases/latest"*) echo '{tag} 2020-01-01T00:00:00Z' ;;
  "api repos/"*"/commits/{tag}"*) echo {commit} ;;
  "issue list"*) echo {open} ;;
  "release create"*) cat "${{!#}}" ;;
esac
"""
YOUNG = "actions/checkout"
COMMIT = "0123456789" * 4
PIN = re.compile(r"uses: ([\w.-]+/[\w.-]+)@(\S+ # \S+)")
CALL = next(
    line.strip()
    for line in (ROOT / FOLDER / "nightly.yml").read_text().splitlines()
    if "uses: ./" in line
)
FAILS = "runs-on: ubuntu-latest\n    steps: [{run: exit 1}]"
WITH = "    with:\n      date: ${{ needs.today.outputs.date }}\n"
MATRIX_FAILS = {CALL: FAILS, WITH: ""}
PARTS = sorted({file.parent.name for file in ROOT.glob("tests/*/test_*.py")})
ONE_PART = {f"[{', '.join(PARTS)}]": "[render]"}


class GitHub:
    """The template's repository on GitHub, and recorded calls of `gh` and of the tests."""

    def __init__(self, shell: Shell, folder: Path) -> None:
        self.hub = Hub.of(shell, shell.home / "template", folder / "hub")
        self.folder = folder
        self.recorder = Recorder(folder / "programs")
        self.gh()

    def gh(self, tag: str = "v99.0.0", open_issue: str = "") -> None:
        """Set the newest release of every action, and the open issue."""
        answers = {"young": YOUNG, "commit": COMMIT, "tag": tag, "open": open_issue}
        self.recorder.add("gh", GH.format(**answers))

    def pins(self, branch: str) -> list[tuple[str, str]]:
        """Return the tree's actions with their pins."""
        listed = self.hub.git("ls-tree", "-r", "--name-only", branch, IN_TREE).splitlines()
        return [pin for file in listed for pin in PIN.findall(self.hub.text(branch, file))]

    def run(
        self,
        event: Event,
        workflow: str,
        tests: str = "true",
        replaced: dict[str, str] | None = None,
    ) -> tuple[Run, dict[str, list[str]]]:
        """Run a workflow in which a command replaces the tests; return the recorded calls."""
        real = shutil.which("make")
        tested = f'lint | test | matrix) {tests} ;; *) exec {real} "$@" ;;'
        self.recorder.add("make", f'case "$1" in {tested} esac')
        environment = self.recorder.path(self.hub.shell)
        done = run(
            self.hub, event, workflow, self.folder, replaced=replaced, environment=environment
        )
        return done, self.recorder.calls()


@pytest.fixture
def github(shell: Shell, tmp_path: Path) -> GitHub:
    return GitHub(shell, tmp_path)


def days(ago: int = 0) -> list[str]:
    """Return the day that many days from today, and those beside it: midnight may pass."""
    return [f"{datetime.now(UTC) + timedelta(days=ago + more):%F}" for more in (-1, 0, 1)]


def test_a_nightly_matrix_that_fails_opens_an_issue(github: GitHub) -> None:
    done, calls = github.run(github.hub.schedule(), "nightly.yml", replaced=MATRIX_FAILS)
    assert done.results == {"today": "success", "matrix": "failure", "report": "success"}
    listed, created = calls["report"]
    assert "gh issue list --state open" in listed
    assert "gh issue create --title Today's versions of the packages break" in created
    said = r"`exclude-newer` of (\S+), the result of the matrix is failure: https:"
    assert re.findall(said, created)[0] in days()

    github.gh(open_issue="7")
    _, calls = github.run(github.hub.schedule(), "nightly.yml", replaced=MATRIX_FAILS)
    assert "gh issue comment 7 --body" in calls["report"][-1]


def test_a_nightly_matrix_that_never_starts_opens_an_issue(github: GitHub) -> None:
    broken = {"date --utc +%F)": 'date --utc +%F)"; false "'}
    done, calls = github.run(github.hub.schedule(), "nightly.yml", replaced=broken)
    assert done.results == {"today": "failure", "matrix": "skipped", "report": "success"}
    assert "the result of the matrix is skipped: https:" in calls["report"][-1]


def test_a_nightly_matrix_that_passes_says_nothing(github: GitHub) -> None:
    dated = f"grep -E '{'|'.join(days())}' pyproject.toml"
    done, calls = github.run(github.hub.schedule(), "nightly.yml", dated)
    assert done.results == {"today": "success", "matrix": "success", "report": "skipped"}
    assert done.skipped == ["report: Open one, or write into the one that is open"]
    made = sorted(call for call in calls["test"] if " matrix " in call)
    assert made == [f"make lint matrix PART={name}" for name in PARTS]
    assert "report" not in calls


def test_new_versions_are_proposed_once_every_test_has_passed(github: GitHub) -> None:
    done, _ = github.run(github.hub.schedule(), "new-versions.yml", "false", ONE_PART)
    assert done.results == {"date": "success", "matrix": "failure", "propose": "skipped"}
    assert not github.hub.pulls.exists()

    done, _ = github.run(github.hub.schedule(), "new-versions.yml", replaced=ONE_PART)
    assert done.result == "success"
    assert done.skipped == []
    title, body = github.hub.pull("new-versions")
    date = title.removeprefix("Take the versions of ")
    assert date in days(-7)
    assert body.startswith("Every test has passed with them: https://github.com/")
    line = f'exclude-newer = "{date}T00:00:00Z"'
    dated = ["pyproject.toml", f"{TREE}/pyproject.toml"]
    assert all(line in github.hub.text("new-versions", file) for file in dated)
    changed = github.hub.git("diff", "--name-only", "main", "new-versions").splitlines()
    assert all(file in dated or file.startswith(IN_TREE) for file in changed)
    before, after = github.pins("main"), github.pins("new-versions")
    assert len(before) > 10
    assert after == [
        (action, pin if action == YOUNG else f"{COMMIT} # v99.0.0") for action, pin in before
    ]


def test_a_release_that_is_no_version_is_not_pinned(github: GitHub) -> None:
    github.gh(tag="nightly")
    done, _ = github.run(github.hub.schedule(), "new-versions.yml", replaced=ONE_PART)
    assert done.results["propose"] == "skipped"
    assert "is 'nightly', no version such as v1.2.3: pin the action by hand." in str(done)


def test_a_version_is_tagged_and_released_once_every_test_has_passed(github: GitHub) -> None:
    done, calls = github.run(github.hub.dispatch(version="0.1.0"), "release.yml", "false", ONE_PART)
    assert done.results == {"check": "success", "test": "failure", "release": "skipped"}
    assert "release" not in calls

    done, calls = github.run(github.hub.dispatch(version="0.1.0"), "release.yml", replaced=ONE_PART)
    assert done.result == "success"
    created = calls["release"][-1]
    target = github.hub.git("rev-parse", "main")
    words = f"gh release create v0.1.0 --target {target} --prerelease=false --title v0.1.0 "
    assert created.startswith(words)
    notes = done.jobs["release"].step("Release, for a version such as 0.2.0rc1 a prerelease").log
    assert notes.strip().startswith("The first release.")
    assert "## " not in notes.replace("### ", "")


@pytest.mark.parametrize("version", ["0.2.0rc1", "0.2.0.dev1"])
def test_a_prerelease(github: GitHub, version: str) -> None:
    files = {
        "pyproject.toml": f'version = "{version}"\n',
        "CHANGELOG.md": f"## {version} - 2026-12-01\n\nTo try.\n",
    }
    github.hub.commit("main", files)
    event = github.hub.dispatch(version=version)
    done, calls = github.run(event, "release.yml", replaced=ONE_PART)
    assert done.result == "success"
    assert f" --prerelease=true --title v{version} " in calls["release"][-1]


def test_another_version_is_not_released(github: GitHub) -> None:
    done, calls = github.run(github.hub.dispatch(version="9.9.9"), "release.yml")
    assert done.results == {"check": "failure", "test": "skipped", "release": "skipped"}
    assert "pyproject.toml has another version than 9.9.9" in str(done)
    assert "release" not in calls


def test_a_pull_request(github: GitHub) -> None:
    github.hub.commit("change", {"LICENSE": "Changed.\n"})
    done, calls = github.run(github.hub.pull_request("change"), "ci.yml")
    assert done.result == "success"
    assert done.skipped == []
    assert calls["lint"] == ["make lint"]
    assert calls["test"] == ["make test"] * 3
    assert calls["stack"] == ["make matrix PART=stack ARGS=-k 'prefect or test_input'"]
