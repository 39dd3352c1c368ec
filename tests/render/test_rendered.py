"""Every pair of choices, rendered with both front ends and checked as text."""

import json
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import covertable
import pytest
from jinja2.nativetypes import NativeEnvironment

from tests.render.conftest import FrontEnd
from tests.render.hostile import ANSWERS
from tests.render.rendered import PARSED, Rendered, parse
from tests.shell import ROOT, TREE

pytestmark = pytest.mark.xdist_group("rendered")  # rendered once, not by every worker

QUESTIONS: dict[str, Any] = json.loads((ROOT / "cookiecutter.json").read_text())
CHOICES = {n: q for n, q in QUESTIONS.items() if isinstance(q, list) and not n.startswith("_")}
DEFAULTS: dict[str, str] = {}
# What both front ends accept: for each list, one of its conditions holds.
ACCEPTED = [
    {
        "operator": "or",
        "conditions": [
            {"operator": operator, "left": question, "value": answer}
            for question, operator, answer in conditions
        ],
    }
    for conditions in (
        [("stack", "eq", "compose"), ("monitoring", "eq", "none")],
        [("tracker", "ne", "dvclive"), ("versioning", "eq", "dvc")],
        [
            ("tracker", "ne", "dvclive"),
            ("orchestrator", "ne", "kubeflow"),
            ("stack", "eq", "none"),
            ("monitoring", "eq", "prometheus"),
        ],
    )
]
# The fewest projects that have each pair of choices: all combinations would be hundreds.
PAIRS: list[dict[str, str]] = covertable.make(CHOICES, constraints=ACCEPTED)
# Formatting must not depend on the length of a name, nor import order on its first letter.
NAMES = [
    {"project_slug": name, "orchestrator": orchestrator}
    for name in ("zq", "a-name-of-twenty-six-signs", "z" * 40)
    for orchestrator in CHOICES["orchestrator"]
] + [{"project_slug": "z" * 40, "tracker": tracker} for tracker in CHOICES["tracker"][1:]]
DEVICES = {"con", "prn", "aux", "nul", *(f"{p}{n}" for p in ("com", "lpt") for n in range(1, 10))}


@pytest.fixture(scope="module")
def projects(
    tmp_path_factory: pytest.TempPathFactory, render_cookiecutter: FrontEnd, render_copier: FrontEnd
) -> list[Rendered]:
    out = tmp_path_factory.mktemp("projects")
    return [
        Rendered(
            answers,
            folder=render_cookiecutter(out / f"cookiecutter-{number}", **answers),
            other=render_copier(out / f"copier-{number}", **answers),
        )
        for number, answers in enumerate([DEFAULTS, *PAIRS, *NAMES, ANSWERS])
    ]


def test_both_front_ends_render_the_same_bytes(projects: list[Rendered]) -> None:
    for project in projects:
        project.check_bytes()


def test_each_file_comes_with_its_choice(projects: list[Rendered]) -> None:
    """The files are those that the names in the tree select; none belongs to another choice."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", TREE],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    names = [n.partition("/")[2] for n in listed.split("\0") if n and (ROOT / n).exists()]
    for project in projects:
        answers = {name: options[0] for name, options in CHOICES.items()} | project.answers
        package = (project.answers.get("project_slug") or "my-pipeline").replace("-", "_")
        expected = set()
        for name in names:
            rendered = name.replace("{{{cookiecutter.package_name}}}", package)
            for flag in re.findall(r"{{{cookiecutter\.(__\w+)}}}", name):
                rule = re.fullmatch(r"{{{ '' if (.+) else '.drop-' }}}", QUESTIONS[flag])
                assert rule, flag
                kept = NativeEnvironment().compile_expression(rule[1])(cookiecutter=answers)
                prefix = "" if kept else ".drop-"
                rendered = rendered.replace(f"{{{{{{cookiecutter.{flag}}}}}}}", prefix)
            if ".drop-" not in rendered:
                expected.add(rendered)
        assert {name for name, _ in project.files()} == expected, project.answers


def test_no_folder_is_empty_or_to_be_dropped(projects: list[Rendered]) -> None:
    for project in projects:
        for folder in (project.folder, project.other):
            for path in folder.rglob("*"):
                assert not path.name.startswith(".drop-"), path
                assert path.is_file() or any(path.iterdir()), f"{path} is empty"


def test_no_delimiter_is_left(projects: list[Rendered]) -> None:
    """Files with a project's own Jinja templates may have `{%`, f-strings may have `%}`."""
    for project in projects:
        if project.answers is ANSWERS:
            continue
        for name, text in project.texts():
            assert not re.search(r"{{{|{##|##}|cookiecutter\.[_a-z]+\s*}}", text), name
            if not name.endswith((".html", ".j2", "flows/automations.py")):
                assert "{%" not in text, name


def test_files_parse(projects: list[Rendered]) -> None:
    seen = set()
    for project in projects:
        for name, text in project.texts(*PARSED):
            seen.add(PurePosixPath(name).suffix)
            parse(name, text)
    assert {".py", ".toml", ".yaml", ".yml"} <= seen


def test_texts_end_well(projects: list[Rendered]) -> None:
    for project in projects:
        for name, text in project.texts():
            if text:
                assert text.endswith("\n"), f"{name} has no newline at its end"
                assert not text.endswith("\n\n"), f"{name} has empty lines at its end"
            assert "\r" not in text, name
            blanks = [n for n, line in enumerate(text.splitlines(), 1) if line != line.rstrip()]
            assert not blanks, f"{name}: blanks at the end of lines {blanks}"


def test_names_are_legal_on_windows(projects: list[Rendered]) -> None:
    for project in projects:
        names = [name for name, _ in project.files()]
        assert len({name.lower() for name in names}) == len(names)
        for part in {part for name in names for part in PurePosixPath(name).parts}:
            assert not re.search(r'[<>:"|?*\\\x00-\x1f]|[. ]$', part), part
            assert part.lower().partition(".")[0] not in DEVICES, part


def test_the_template_can_be_checked_out_on_windows() -> None:
    for path in ROOT.joinpath(TREE).rglob("*"):
        assert not re.search(r'[<>:"|?*\\\x00-\x1f]|[. ]$', path.name), path


@pytest.mark.parametrize("command", [("format", "--diff"), ("check",)])
def test_ruff_finds_nothing(projects: list[Rendered], command: tuple[str, ...]) -> None:
    """With the rendered project's own rules, which ruff finds beside each file."""
    folders = [project.folder for project in projects if project.answers is not ANSWERS]
    done = subprocess.run(
        [Path(sys.executable).with_name("ruff"), *command, "--no-cache", "--quiet", *folders],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_licence(projects: list[Rendered]) -> None:
    first_lines = {
        "MIT": "MIT License",
        "Apache-2.0": "Apache License",
        "BSD-3-Clause": "BSD 3-Clause License",
        "Proprietary": "Copyright (c) ML Team. All rights reserved.",
    }
    assert list(first_lines) == CHOICES["license"]
    for project in projects:
        if licence := project.answers.get("license"):
            text = (project.folder / "LICENSE").read_text()
            assert text.strip().splitlines()[0].strip() == first_lines[licence]


def test_hostile_text_is_kept_in_markdown(projects: list[Rendered]) -> None:
    """CommonMark removes every escape, and nothing is lost."""
    for name, text in projects[-1].texts(".md"):
        shown = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)
        if hostile_line := [line for line in text.splitlines() if "Zoë" in line]:
            assert ANSWERS["project_name"] in shown or ANSWERS["description"] in shown, name
            for line in hostile_line:
                assert not re.search(r"(?<!\\)(?:\\\\)*[*_`\[<&|~$]", line), (name, line)
