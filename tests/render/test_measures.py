"""Measures of a rendered project: a small root and room, few imports, plain English."""

import ast
import re
from pathlib import Path

import pytest

from tests.projects import ORCHESTRATORS
from tests.render.rendered import Rendered
from tests.shell import ROOT

PACKAGE = Path("src/my_pipeline")
ROOM = ("tables", "features", "model", "evaluation", "plots", "params")
STEPS = ("report", "evaluate", "release")

PROSE = {  # what must not come back, and what to write
    r"it does not, or is": "name what is unreachable, too old or missing",
    r"\bsaid to who\b": "is printed",
    r"\b(tells?|told|telling)\b": "print, report, alert, return",
    r"\bfore(tells?|told)\b": "predict",
    r"\bjudg(e|es|ed|ing|ement)\b": "evaluate, compare",
    r"\bleav(e|es|ing) with\b": "exit with",
    r"\bwhoever\b": "name the actor",
    r"an error says first|better half": "the error's type and first line",
    r"\band POST /alerts are\b": "endpoints: a list",
    r"is not deployed: nothing": "deploy of X failed; Y runs now",
    r"\bgone on with\b": "is resumed",
    r"\bon (its|their) way\b": "active, running",
    r"\bthat (is|are) (gone|behind)\b": "no longer exists, stale",
    r"\bhowever little\b": "regardless of",
    r"that is due has its champion": "the last period's model was released on time",
    r"\bdoors?\b": "front end",
    r"\bsees? to it\b": "make sure, ensure",
}


@pytest.fixture(scope="module", params=ORCHESTRATORS)
def project(request: pytest.FixtureRequest, by_orchestrator: dict[str, Path]) -> Path:
    return by_orchestrator[request.param]


def phrases(text: str) -> list[str]:
    """Return the phrases of a text that `PROSE` lists."""
    return [found[0] for phrase in PROSE for found in re.finditer(phrase, text, re.IGNORECASE)]


def imported(file: Path) -> set[str]:
    """Return the modules of the package that a module names in its import statements."""
    parts = ("my_pipeline", *file.parts[file.parts.index("my_pipeline") + 1 : -1])
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            above = parts[: len(parts) + 1 - node.level] if node.level else ()
            module = ".".join([*above, *filter(None, [node.module])])
            found |= {module} if node.module else {f"{module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return {name for name in found if name.split(".")[0] == "my_pipeline"}


def test_the_root_has_few_entries(project: Path) -> None:
    visible = {path.name for path in project.iterdir() if not path.name.startswith(".")}
    assert len(visible | {"uv.lock"}) <= 14, sorted(visible)  # `make setup` writes uv.lock


def test_the_room_is_small(project: Path) -> None:
    files = [project / PACKAGE / f"{name}.py" for name in ROOM]
    assert sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files) <= 700


def test_the_runtime_and_the_flows_are_small(project: Path) -> None:
    assert lines(project / PACKAGE / "runtime") < 7_600
    assert lines(project / "flows") < 460  # none, under other orchestrators


def lines(folder: Path) -> int:
    """Return the number of lines of the modules in a folder and below it."""
    return sum(len(file.read_text("utf-8").splitlines()) for file in folder.rglob("*.py"))


@pytest.mark.parametrize("step", STEPS)
def test_a_step_imports_few_modules(project: Path, step: str) -> None:
    found = imported(project / PACKAGE / f"runtime/steps/{step}.py")
    assert 0 < len(found) <= 5, sorted(found)


def test_the_project_is_in_plain_english(project: Path) -> None:
    found = {name: phrases(text) for name, text in Rendered({}, project, project).texts()}
    assert {name: words for name, words in found.items() if words} == {}


def test_the_template_is_in_plain_english() -> None:
    files = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "Makefile"]
    found = {file.name: phrases(file.read_text(encoding="utf-8")) for file in files}
    assert {name: words for name, words in found.items() if words} == {}


def test_phrases_are_found() -> None:
    assert phrases("Be told. It leaves with 0.") == ["told", "leaves with"]
