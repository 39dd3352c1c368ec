"""Both engines get the same questions and derive the same values, from one source."""

import ast
import html
import json
import re
import shutil
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from questions.generate import generated_files, module_names
from tests.render.hostile import ANSWERS
from tests.shell import ROOT, TREE, Shell

SOURCE: dict[str, Any] = yaml.safe_load((ROOT / "questions/questions.yml").read_text())


@pytest.mark.parametrize("name", ["cookiecutter.json", "copier.yml"])
def test_generated_files_are_up_to_date(name: str) -> None:
    written = (ROOT / name).read_text(encoding="utf-8")
    assert written == generated_files()[name], "run `make questions`"


@pytest.fixture(scope="module")
def probe(make_shell: Callable[[], Shell]) -> Shell:
    """Return a template whose tree is one file with all values."""
    shell = make_shell()
    tree = shell.home / "template" / TREE
    answers_file = (tree / ".copier-answers.yml").read_text()
    shutil.rmtree(tree)
    tree.mkdir()
    (tree / ".copier-answers.yml").write_text(answers_file)
    (tree / "values.txt").write_text(
        "{% for name, value in cookiecutter.items()"
        " if name.startswith('__') or not name.startswith('_') %}\n"
        "{{{ name }}}={{{ value }}}\n{% endfor %}\n"
    )
    shell.commit(shell.home / "template", "Only values", tag="v1.0.1")
    return shell


def values(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


@pytest.mark.parametrize("answers", [{}, ANSWERS, {"description": "2. a) +1"}])
def test_same_values(probe: Shell, tmp_path: Path, answers: dict[str, str]) -> None:
    done = probe.cookiecutter(tmp_path / "a", **answers)
    assert done.returncode == 0, done.stdout
    done = probe.copier(tmp_path / "b", **answers)
    assert done.returncode == 0, done.stderr
    ours = values(next((tmp_path / "a").iterdir()) / "values.txt")
    theirs = values(tmp_path / "b/values.txt")
    del ours["__commit"], ours["__accepted"]  # its own
    assert list(ours.items()) == list(theirs.items())
    assert ours.items() >= answers.items()

    for name in ("project_name", "description", "author_name", "author_email"):
        literal = ours[f"__{name}_string"]
        assert tomllib.loads(f"text = {literal}")["text"] == ours[name]
        assert yaml.safe_load(literal) == ours[name]
        assert json.loads(literal) == ours[name]
        assert ast.literal_eval(literal) == ours[name]
    for name in ("project_name", "description"):
        for mark, tag in (("", "p"), ("# ", "h1")):
            shown = MarkdownIt("gfm-like", {"linkify": False}).render(
                mark + ours[f"__{name}_markdown"]
            )
            assert html.unescape(shown) == f"<{tag}>{ours[name]}</{tag}>\n"


def test_every_choice_has_a_flag() -> None:
    """A choice without a flag could not have a file of its own."""
    conditions = list(SOURCE["flags"].values())
    for question in ("license", "orchestrator", "tracker"):
        for choice in SOURCE["questions"][question]["choices"]:
            assert conditions.count(f"{question} == '{choice}'") == 1


def test_the_standard_library_is_complete() -> None:
    usable = {name.lower() for name in sys.stdlib_module_names if name[0].isalpha()}
    assert usable | {"test"} <= set(module_names("standard_library"))


def test_no_project_is_named_like_what_it_needs() -> None:
    """It would depend on itself."""
    needed = re.findall(
        r'^  "([a-z0-9-]+)[\[<>=]', (ROOT / TREE / "pyproject.toml").read_text(), re.M
    )
    assert {"prefect", "scikit-learn", "ruff"} <= set(needed)
    found = set(module_names("installed"))
    assert {name.replace("-", "_") for name in needed} <= found, "run `make module-names`"


def test_the_same_date_pins_template_and_project() -> None:
    """A project is tested with the versions of that day; so are its renderers."""
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["exclude-newer"]
    assert f'\nexclude-newer = "{ours}"\n' in (ROOT / TREE / "pyproject.toml").read_text()
