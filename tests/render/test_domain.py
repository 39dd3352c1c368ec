"""The machinery knows no domain: the sample's words stand in the team's files alone.

The tree is read, not rendered: it holds the files of all answers.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.shell import ROOT, TREE

PACKAGE = "src/{{{cookiecutter.package_name}}}"
MACHINERY = (f"{PACKAGE}/runtime", "ops", "tests/runtime")
DRAFTS = "ops/adopt/room/"  # of the team's modules
PERIODS = (f"{PACKAGE}/runtime/periods.py", "tests/runtime/test_periods.py")

# Each also as a part of a name, such as `auc_floor`, but not of a word, such as "original". "late"
# counts where it is a column; "Late" is a state of Prefect's runs. `$(origin …)` is of make.
DOMAIN = (
    r"flights?|carriers?|airports?|planes?|weather|tailnum|(?<!\$\()origin|dest|auc"
    r"|arr_delay|late_minutes|(?<=[\"'])(?-i:late)(?=[\"'])"
)
PERIOD = r"months?|monthly"


def machinery() -> Iterator[tuple[str, str]]:
    """Yield each file that the template owns, an orchestrator's included, with its text."""
    tree = ROOT / TREE
    flagged = [path.name for path in tree.glob("{{{cookiecutter.*")]
    adapters = [name for name in flagged if not name.endswith("LICENSE")]
    for name in (*MACHINERY, *adapters):
        top = tree / name
        for file in [top] if top.is_file() else sorted(top.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield file.relative_to(tree).as_posix(), file.read_text(encoding="utf-8")


def lines_with(words: str, *, but: str | tuple[str, ...] = ()) -> list[str]:
    """Return the lines of the machinery in which one of `words` stands, with their places."""
    pattern = re.compile(rf"(?<![a-z])({words})(?![a-z])", re.IGNORECASE)
    return [
        f"{name}:{number}: {line.strip()}"
        for name, text in machinery()
        if not name.startswith(but)
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_the_machinery_is_there() -> None:
    names = {name for name, _ in machinery()}
    for folder in MACHINERY:
        assert any(name.startswith(f"{folder}/") for name in names), folder
    assert set(PERIODS) <= names
    assert {Path(name).suffix for name in names} >= {".py", ".yaml", ".json"}


def test_no_word_of_the_sample_stands_in_the_machinery() -> None:
    assert lines_with(DOMAIN, but=DRAFTS) == []


def test_one_module_knows_how_long_a_period_is() -> None:
    assert lines_with(PERIOD, but=PERIODS) == []
