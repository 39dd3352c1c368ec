"""cookiecutter.json and copier.yml ask the same questions and derive the same values."""

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

from tests.render.hostile import ANSWERS
from tests.shell import ROOT, TREE, Shell

COOKIECUTTER: dict[str, Any] = json.loads((ROOT / "cookiecutter.json").read_text())
COPIER: dict[str, Any] = yaml.safe_load((ROOT / "copier.yml").read_text())
ASKED = [name for name in COOKIECUTTER if not name.startswith("_")]
CHOICES = [name for name in ASKED if isinstance(COOKIECUTTER[name], list)]


def test_same_names_in_the_same_order() -> None:
    asked = [name for name, q in COPIER.items() if not name.startswith("_") and "when" not in q]
    assert asked == ASKED


@pytest.mark.parametrize("name", CHOICES)
def test_same_choices_with_the_same_labels(name: str) -> None:
    labels = dict(COOKIECUTTER["__prompts__"][name])
    assert labels.pop("__prompt__") == COPIER[name]["help"]
    assert {value: label for label, value in COPIER[name]["choices"].items()} == labels
    assert list(COPIER[name]["choices"].values()) == COOKIECUTTER[name]
    assert COPIER[name]["default"] == COOKIECUTTER[name][0]


@pytest.mark.parametrize("name", [name for name in ASKED if name not in CHOICES])
def test_same_prompts_and_defaults(name: str) -> None:
    assert COPIER[name]["help"] == COOKIECUTTER["__prompts__"][name]
    assert COPIER[name]["default"] == COOKIECUTTER[name].replace("cookiecutter.", "")


def test_every_text_has_a_rule() -> None:
    assert all("validator" in COPIER[name] for name in ASKED if name not in CHOICES)


def test_the_same_jinja() -> None:
    envops = dict(COPIER["_envops"])
    assert envops.pop("undefined") == "jinja2.StrictUndefined"  # Cookiecutter's own way
    assert envops == COOKIECUTTER["_jinja2_env_vars"]


@pytest.fixture(scope="module")
def probe(make_shell: Callable[[], Shell]) -> Shell:
    """Give a template whose tree only tells all values."""
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


def test_flags_follow_the_choices() -> None:
    """A choice without a private flag could not have a file of its own."""
    flags = [text for name, text in COOKIECUTTER.items() if name.startswith("__")]
    for question in ("license", "orchestrator", "tracker"):
        for choice in COOKIECUTTER[question]:
            flag = f"{{{{{{ '' if cookiecutter.{question} == '{choice}' else '.drop-' }}}}}}"
            assert flags.count(flag) == 1, (question, choice)


def test_standard_library_is_complete() -> None:
    words = set(COPIER["standard_library"]["default"].split())
    usable = {name for name in sys.stdlib_module_names if name[0].isalpha()}
    assert {name.lower() for name in usable} <= words
    assert "test" in words


def test_folders_of_the_project_are_reserved() -> None:
    folders = {path.name.rpartition("}")[2] for path in (ROOT / TREE).iterdir() if path.is_dir()}
    usable = {name for name in folders if name and not name.startswith(".")}
    assert usable <= set(COPIER["reserved_words"]["default"].split())


def test_no_project_is_named_like_what_it_needs() -> None:
    """It would depend on itself."""
    needed = re.findall(
        r'^  "([a-z0-9-]+)[\[<>=]', (ROOT / TREE / "pyproject.toml").read_text(), re.M
    )
    assert {"prefect", "scikit-learn", "ruff"} <= set(needed)
    words = set(COPIER["installed_modules"]["default"].split())
    assert {name.replace("-", "_") for name in needed} <= words


def test_the_same_date_pins_template_and_project() -> None:
    """A project is tested with the versions of that day; so are its renderers."""
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["exclude-newer"]
    assert f'\nexclude-newer = "{ours}"\n' in (ROOT / TREE / "pyproject.toml").read_text()
