"""Any answer: both front ends keep it word for word in files that work, or both refuse it.

`pytest --hypothesis-profile=matrix` tries many more answers, and other ones each time.
"""

import html
import json
import re
import tomllib
from collections.abc import Callable
from email import message_from_string
from email.headerregistry import Address
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

import pytest
import yaml
from cmarkgfm import github_flavored_markdown_to_html
from cookiecutter.exceptions import FailedHookException
from hatchling.builders.wheel import WheelBuilder
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.render.conftest import FrontEnd
from tests.render.hostile import ANSWERS
from tests.render.rendered import PARSED, Rendered, contents, parse
from tests.shell import ROOT, TREE, Shell

QUESTIONS: dict[str, Any] = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
FREE = ["project_name", "description", "author_name", "author_email"]
TEXTS = [*FREE, "project_slug", "package_name"]
SENTENCE = re.compile(rf"(?:{'|'.join(TEXTS)}) [^\n]+\.")
PLAIN = {
    "project_name": "Plain Name",
    "project_slug": "kept",
    "description": "Plain words",
    "author_name": "Plain Author",
    "author_email": "plain@example.com",
}
Lines = dict[str, list[str]]

SEEN = [
    '"', "'", '"""', "'''", "\\", "\\\\", "\\n", "\\u0041", "\\x", "\\N{DASH}", " ", "  ",
    "{{ x }}", "{{{ x }}}", "{{{", "}}}", "{{{{", "{%", "%}", "{% if x %}", "{% raw %}", "{{",
    "{% endraw %}", "{% endif %}", "{##", "##}", "{## x ##}", "{# x #}", "${{ x }}", TREE,
    "{{{ cookiecutter }}}", "{{{ 1/0 }}}", "{{{ template_commit() }}}", "{{{ _copier_conf }}}",
    "- ", ": ", " #", "&a ", "*a", "!!int ", "%YAML", "---", "...", "| ", "> ", "?", "null", "true",
    "no", "1e3", "0o7", "2013-01-01", "<<: *x", "[a]", "{a: b}", "a = 1", "@", "`", ",", "]", "}",
    "$(id)", "`id`", "; ls", " && ls", "$HOME", "$$", "!!", "~", "%s", "%PATH%", "\\$", "/etc",
    "1. ", "2) ", "+ ", "= ", "# ", "![a](b)", "[a]: b", "https://a.b/c_d~e", "www.a_b.c/*",
    "a_b@c.de", "&amp;", "&#65;", "<b>", "</h1>", "<!--", "-->", "~~x~~", "```", "$x$", "***",
    "__x__", "|a|b|", "==", "[^1]", ":+1:", "@me", "=?utf-8?q?x?=", "a <b@c>", "Zoë", "日本語",
    "\U0001f680", "\U0001f469\u200d\U0001f52c", "\u2764\ufe0f", "שלום", "مرحبا", "क्\u200dष",
    "e\u0301", "\u0301", "a\u00a0b", "a\u3000b", "İ", "\u212a", "x" * 300, "日" * 300, "a b " * 75,
]  # fmt: skip
UNSEEN = [
    "\n", "\r\n", "\t", "\x01", "\x08", "\x1b[31m", "\x7f", "\x85", "\u00ad", "\u200b", "\u200e",
    "\u2028", "\u2029", "\u202e", "\u2066", "\ufeff", "\ue000", "\uffff", "\U000e0041", "\udc80",
    "\udcff",
]  # fmt: skip
HIDDEN = ["\u200d", "\u200c", "\u00a0", "\u3000", "\u3164", "\u2800", "\ufe0f", "\u034f"]
DEFAULTS = [text for text in QUESTIONS.values() if isinstance(text, str)]
NAMES = [
    "true", "null", "no", "on", "y", "x", "a1", "x--1", "e1", "nan", "inf", "con", "prefect",
    "scikit-learn", "scikit_learn", "z" * 40, "z" * 41, "class", "json", "src", "Flights",
]  # fmt: skip


def mixed(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(st.one_of(*parts), min_size=1, max_size=8).map("".join)


# What a command line can carry: no NUL, and of the surrogates those that stand for a stray byte.
CARRIED = st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.characters(
    min_codepoint=0xDC80, max_codepoint=0xDCFF
)
VISIBLE = st.characters(exclude_categories=["C", "Z"])
ANY_TEXT = mixed(st.sampled_from(SEEN + UNSEEN + HIDDEN), st.text(CARRIED, max_size=10))
SEEN_TEXT = mixed(st.sampled_from(SEEN), st.text(VISIBLE, max_size=10)).map(str.strip)
WORD = st.text(st.sampled_from("abyzAZ019!#$%&'*+-/=^_`{|}~"), min_size=1, max_size=70)
ADDRESS = st.builds(
    "{}@{}".format,
    st.lists(WORD, min_size=1, max_size=3).map(".".join),
    st.lists(WORD, min_size=1, max_size=3).map(".".join),
)
NAME = st.sampled_from(NAMES) | st.from_regex(r"[a-z][a-z0-9_-]{0,45}", fullmatch=True)

KEPT = st.fixed_dictionaries(
    {name: SEEN_TEXT.filter(lambda text: text.strip("".join(HIDDEN))) for name in FREE[:3]}
    | {"author_email": ADDRESS, "license": st.sampled_from(QUESTIONS["license"])}
)
ANY = st.one_of(
    st.fixed_dictionaries({"project_slug": NAME, "package_name": NAME}),
    st.fixed_dictionaries({"project_slug": NAME}),
    *(st.fixed_dictionaries({name: ANY_TEXT}) for name in TEXTS),
    *(st.fixed_dictionaries({name: st.sampled_from(DEFAULTS + HIDDEN)}) for name in FREE),
    st.dictionaries(st.sampled_from(TEXTS), ANY_TEXT),
)


def through(front_end: FrontEnd, out: Path, answers: dict[str, str]) -> Path | str:
    """Return the project, or the message that refuses the answers."""
    try:
        return front_end(out, **answers)
    except FailedHookException as refused:
        sentence = str(refused)
    except ValueError as refused:
        heading, _, sentence = str(refused).partition("': ")
        assert heading.startswith("Validation error for question '")
        assert sentence.startswith(heading.rpartition("'")[2])
    return sentence


def shown(markdown: str) -> list[str]:
    """Return the HTML that two Markdown renderers make of it, GitHub's own first."""
    github = re.sub(r'<a href="mailto:[^>]*>|</a>', "", github_flavored_markdown_to_html(markdown))
    return [github, MarkdownIt("gfm-like", {"linkify": False}).render(markdown)]


def check_metadata(folder: Path, answers: dict[str, str], out: Path) -> None:
    """Build the wheel, as installing does, and check its metadata."""
    wheel = next(WheelBuilder(str(folder)).build(directory=str(out)))
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        text = archive.read(next(name for name in names if name.endswith("/METADATA"))).decode()
    metadata = message_from_string(text)
    assert metadata["Name"] == answers["project_slug"]
    assert f"{answers['package_name']}/__init__.py" in names
    assert metadata["Summary"] == answers["description"]
    author = Address(answers["author_name"], addr_spec=answers["author_email"])
    assert metadata["Author-email"] == str(author)


def check_text(folder: Path, answers: dict[str, str]) -> None:
    """Find each answer, exactly, wherever the project shows it."""
    stored = yaml.safe_load((folder / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert {name: stored[name] for name in answers} == answers
    asked = [name for name in QUESTIONS if not name.startswith("_")]
    assert list(stored) == ["_commit", "_src_path", *asked]
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == answers["project_slug"]
    assert project["description"] == answers["description"]
    author = {"name": answers["author_name"], "email": answers["author_email"]}
    assert project["authors"] == [author]
    heading, _, paragraph, _ = (
        (folder / "README.md").read_text(encoding="utf-8").split("\n", maxsplit=3)
    )
    for markdown, expected in (
        (heading, f"<h1>{answers['project_name']}</h1>\n"),
        (paragraph, f"<p>{answers['description']}</p>\n"),
    ):
        assert [html.unescape(page) for page in shown(markdown)] == [expected] * 2
    if answers["license"] != "Apache-2.0":
        line = f"Copyright (c) {answers['author_name']}"
        assert line in (folder / "LICENSE").read_text(encoding="utf-8")
    for name, key in (("params.yaml", "model_name"), ("prefect.yaml", "name")):
        values = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
        assert values[key] == answers["project_slug"]


def check(answers: dict[str, str], cookiecutter: FrontEnd, copier: FrontEnd) -> Lines | None:
    """Render with both front ends; return the lines of each file, or None if both refuse."""
    with TemporaryDirectory() as name:
        out = Path(name)
        ours = through(cookiecutter, out / "ours/new", answers)
        theirs = through(copier, out / "theirs/new", answers)
        if isinstance(ours, str) or isinstance(theirs, str):
            assert ours == theirs
            assert SENTENCE.fullmatch(str(ours))
            assert list(out.iterdir()) == []
            event("refused")
            return None
        event("kept")
        project = Rendered(answers, ours, theirs)
        project.check_bytes()
        for file, text in project.texts(*PARSED):
            parse(file, text)
        stored = yaml.safe_load((ours / ".copier-answers.yml").read_text(encoding="utf-8"))
        check_text(ours, stored | answers)
        check_metadata(ours, stored | answers, out)
        return project.lines()


@pytest.fixture(scope="session")
def plain(
    render_cookiecutter: FrontEnd, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Lines]:
    """Return the lines of a project with harmless answers, by its licence."""

    @cache
    def lines(licence: str) -> Lines:
        answers = PLAIN | {"license": licence}
        folder = render_cookiecutter(tmp_path_factory.mktemp("plain"), **answers)
        return Rendered(answers, folder, folder).lines()

    return lines


@given(answers=KEPT)
@example(answers={name: ANSWERS[name] for name in FREE} | {"license": "BSD-3-Clause"})
@example(answers=PLAIN | {"description": "See https://a.b/c_d~e or www.a_b.c/*d*."})
@example(answers=PLAIN | {"description": "%YAML \"\"\" ''' \\u0041 שלום e\u0301"})
@example(answers=PLAIN | {"author_name": "日" * 300, "author_email": "!{}@-"})
def test_text_is_kept_word_for_word(
    render_cookiecutter: FrontEnd,
    render_copier: FrontEnd,
    plain: Callable[..., Lines],
    answers: dict[str, str],
) -> None:
    """And no other line of the project depends on it."""
    lines = check(PLAIN | answers, render_cookiecutter, render_copier)
    assert lines, "refused"
    expected = plain(answers.get("license", "MIT"))
    assert lines.keys() == expected.keys()
    for name, before in expected.items():
        for line, plain_line in zip(lines[name], before, strict=True):
            shows = any(text in plain_line for text in PLAIN.values())
            assert line == plain_line or shows, name


@settings(max_examples=3 * settings().max_examples)  # most are refused, which is quick
@given(answers=ANY)
@example(answers={"project_slug": "on"})  # true, to YAML
@example(answers={"project_slug": "x--1"})
@example(answers={"project_slug": "scikit-learn"})  # would depend on itself
@example(answers={"author_email": "a..b@c.de"})  # no address, to what builds the wheel
@example(answers={"project_name": "\u200d\u3164"})  # nothing to be seen
@example(answers={"description": QUESTIONS["package_name"]})
def test_any_answer_is_kept_or_refused(
    render_cookiecutter: FrontEnd, render_copier: FrontEnd, answers: dict[str, str]
) -> None:
    check(answers, render_cookiecutter, render_copier)


@pytest.mark.parametrize("slug", ["on", "x--1"])
def test_such_a_slug_is_kept(
    slug: str, tmp_path: Path, render_cookiecutter: FrontEnd, render_copier: FrontEnd
) -> None:
    for number, front_end in enumerate((render_cookiecutter, render_copier)):
        folder = through(front_end, tmp_path / str(number) / "new", {"project_slug": slug})
        assert isinstance(folder, Path), folder


def test_the_command_lines_keep_the_same(
    tmp_path: Path,
    shell: Shell,
    template: Path,
    render_cookiecutter: FrontEnd,
    render_copier: FrontEnd,
) -> None:
    """The other tests of this folder call the front ends through Python."""
    address = str(template)
    done = shell.cookiecutter(tmp_path / "a", template=address, **ANSWERS)
    assert done.returncode == 0, done.stdout
    done = shell.copier(tmp_path / "b", "--vcs-ref=HEAD", template=address, **ANSWERS)
    assert done.returncode == 0, done.stderr
    expected = contents(render_cookiecutter(tmp_path / "c", **ANSWERS))
    assert contents(render_copier(tmp_path / "d", **ANSWERS)) == expected
    assert contents(tmp_path / "a" / ANSWERS["project_slug"]) == expected
    assert contents(tmp_path / "b") == expected


@pytest.mark.parametrize("text", ["a\nb", "\u202ea", "a\udcffb", "a "])
def test_the_command_lines_refuse_the_same(
    tmp_path: Path, shell: Shell, render_cookiecutter: FrontEnd, text: str
) -> None:
    sentence = through(render_cookiecutter, tmp_path / "new", {"description": text})
    assert isinstance(sentence, str)
    done = shell.cookiecutter(tmp_path / "new", description=text)
    assert (done.returncode, done.stdout) == (1, f"{sentence}\n")  # nothing else
    done = shell.copier(tmp_path / "new", description=text)
    assert done.returncode == 1
    assert (done.stdout + done.stderr).strip().splitlines()[-1].endswith(sentence)
    assert list(tmp_path.iterdir()) == []
