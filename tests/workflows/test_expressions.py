"""Expressions have the values that GitHub's documentation and its own library give them."""

import json
import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.workflows.expressions import (
    CaseSensitive,
    ExpressionError,
    Scope,
    evaluate,
    fill,
    holds,
    text,
)

CONTEXTS: dict[str, Any] = {
    "github": {"event_name": "push", "ref": "refs/heads/main", "empty": {}, "n": 3},
    "inputs": {"flag": True, "period": "2013-05", "list": ["a", "B", 3]},
    "steps": {"a-b": {"outputs": {"digest": "sha256:1"}}},
}

# What GitHub documents, and edge cases; the last column is the value.
TABLE: list[tuple[str, Any]] = [
    ("null", None),
    ("false", False),
    ("711", 711),
    ("-9.2", -9.2),
    ("0xff", 255),
    ("-2.99e-2", -0.0299),
    ("'It''s open source!'", "It's open source!"),
    ("'}}'", "}}"),
    # Properties
    ("github.event_name", "push"),
    ("github['event_name']", "push"),
    ("GitHub.Event_Name", "push"),
    ("github.nothing", None),
    ("github.nothing.at.all", None),
    ("github.event_name.length", None),
    ("steps.a-b.outputs.digest", "sha256:1"),
    ("inputs.list[1]", "B"),
    ("inputs.list[9]", None),
    ("github[format('{0}_name', 'event')]", "push"),
    # Operators
    ("!true", False),
    ("!github.nothing", True),
    ("!''", True),
    ("!'false'", False),
    ("!0 == true", True),
    ("1 < 2 == true", True),
    ("true || false && false", True),
    ("(true || false) && false", False),
    ("false || 'other'", "other"),
    ("'first' && 'second'", "second"),
    ("0 && 'never'", 0),
    ("github.ref == 'refs/heads/main' && 'production' || 'staging'", "production"),
    # Loose comparison
    ("'a' == 'A'", True),
    ("'a' != 'A'", False),
    ("'a' < 'B'", True),
    ("null == 0", True),
    ("null == ''", True),
    ("null == false", True),
    ("null >= null", True),
    ("true == 1", True),
    ("true == '1'", True),
    ("true == 'true'", False),
    ("inputs.flag == 'true'", False),
    ("'' == 0", True),
    ("'0xff' == 255", True),
    ("' 12 ' == 12", True),
    ("'1e3' == 1000", True),
    ("'twelve' == 12", False),
    ("'twelve' != 12", True),
    ("'twelve' < 12", False),
    ("'twelve' >= 12", False),
    ("NaN == NaN", False),
    ("github.empty == github.empty", True),
    ("github.empty == fromJSON('{}')", False),
    ("github.empty == 0", False),
    ("'3' > 2", True),
    # Functions
    ("contains('Hello world', 'llo')", True),
    ("contains('Hello world', 'LLO')", True),
    ('contains(fromJSON(\'["push", "pull_request"]\'), github.event_name)', True),
    ("contains(inputs.list, 'b')", True),
    ("contains(inputs.list, '3')", True),
    ("contains(inputs.list, 'c')", False),
    ("startsWith('Hello world', 'he')", True),
    ("endsWith('Hello world', 'LD')", True),
    ("format('Hello {0} {1} {2}', 'Mona', 'the', 'Octocat')", "Hello Mona the Octocat"),
    ("format('{{Hello {0} {1} {2}!}}', 'Mona', 'the', 'Octocat')", "{Hello Mona the Octocat!}"),
    ("format('{0}{1}{2}', true, null, 1.50)", "true1.5"),
    ("join(inputs.list)", "a,B,3"),
    ("join(inputs.list, ', ')", "a, B, 3"),
    ("join('alone')", "alone"),
    ("toJSON(inputs.list)", '[\n  "a",\n  "B",\n  3\n]'),
    ("toJSON('a')", '"a"'),
    ("fromJSON('{\"a\": [1, 2]}').a[1]", 2),
    ("fromJSON('true')", True),
    ("case(false, 'a', github.n == 3, 'b', 'c')", "b"),
    ("case(false, 'a', 'c')", "c"),
]

WRONG = [
    "nothing.x",
    "nosuch(1)",
    "success()",
    "secrets.TOKEN",
    "github.",
    "github..ref",
    "'a' = 'b'",
    '"double"',
    "1 +",
    "(1",
    "1)",
    "",
    "'open",
    "fromJSON('{')",
    "format('{1}', 'a')",
    "format('{', 'a')",
    "case(true)",
    "github.ref && nosuch()",
]
LEFT_OUT = ["github.*.name"]  # known to GitHub, and an error here


def same(found: Any, value: Any) -> bool:
    """Compare as Python does, but distinguish `true` from 1."""
    return bool(found == value) and isinstance(found, bool) == isinstance(value, bool)


@pytest.mark.parametrize(("expression", "value"), TABLE)
def test_value(expression: str, value: Any) -> None:
    found = evaluate(expression, Scope(CONTEXTS))
    assert same(found, value), found


@pytest.mark.parametrize("expression", [*WRONG, *LEFT_OUT])
def test_what_is_not_known_is_an_error(expression: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(expression, Scope(CONTEXTS))


def test_env_knows_case() -> None:
    scope = Scope({"env": CaseSensitive(NAME="x")})
    assert fill("${{ env.NAME }}|${{ env.name }}", scope) == "x|"


@pytest.mark.parametrize(
    ("value", "said"),
    [(1.0, "1"), (3.10, "3.1"), (-0.0, "0"), (1e21, "1E+21"), (math.nan, "NaN"), ({}, "Object")],
)
def test_text(value: Any, said: str) -> None:
    assert text(value) == said


@pytest.mark.parametrize(
    ("given", "filled"),
    [
        ("no expression", "no expression"),
        ("${{ inputs.flag }}", True),
        ("is ${{ inputs.flag }}", "is true"),
        ("${{ github.n }}${{ github.nothing }}", "3"),
        ("${{ '}}' }} and ${{ 'a''}}b' }}", "}} and a'}}b"),
        ({"a": ["${{ github.n }}"], "b": 2}, {"a": [3], "b": 2}),
    ],
)
def test_fill(given: Any, filled: Any) -> None:
    assert fill(given, Scope(CONTEXTS)) == filled


def test_an_open_expression_is_an_error() -> None:
    with pytest.raises(ExpressionError, match="does not end"):
        fill("a ${{ github.ref } b", Scope(CONTEXTS))


@pytest.mark.parametrize("well", [True, False])
def test_an_if_asks_for_success_unless_it_says_otherwise(well: bool) -> None:
    status = {"success": lambda: well, "failure": lambda: not well, "always": lambda: True}
    scope = Scope(CONTEXTS, status)
    assert holds("github.ref == 'refs/heads/main'", scope) == well
    assert holds(True, scope) == well
    assert not holds("false", scope)
    assert holds("failure()", scope) != well
    assert holds("${{ always() && inputs.flag }}", scope)
    assert not holds("always() && !inputs.flag", scope)
    with pytest.raises(ExpressionError, match="always true"):
        holds("${{ inputs.flag }} == false", scope)


# Evaluates each expression of a file by the library of GitHub's own editor and language server.
ORACLE = """
import fs from "node:fs";
import { Lexer, Parser, Evaluator, data } from "@actions/expressions";
import { wellKnownFunctions } from "@actions/expressions/funcs";
const [contexts, expressions] = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const known = Object.fromEntries(Object.entries(wellKnownFunctions));
const value = JSON.parse(JSON.stringify(contexts), data.reviver);
console.log(JSON.stringify(expressions.map((text) => {
  try {
    const tree = new Parser(new Lexer(text).lex().tokens, Object.keys(contexts), []).parse();
    const found = new Evaluator(tree, value).evaluate();
    return JSON.stringify(found, data.replacer);
  } catch (error) { return "error: " + error; }
})));
"""


@pytest.mark.skipif(not shutil.which("npm"), reason="GitHub's library comes from npm")
def test_github_agrees(tmp_path: Path) -> None:
    library = "@actions/expressions@0.3.61"
    subprocess.run(["npm", "install", "--silent", "--prefix", tmp_path, library], check=True)
    (tmp_path / "oracle.mjs").write_text(ORACLE)
    asked = [*(expression for expression, _ in TABLE), *WRONG]
    (tmp_path / "asked.json").write_text(json.dumps([CONTEXTS, asked]))
    done = subprocess.run(
        ["node", "oracle.mjs", "asked.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = dict(zip(asked, json.loads(done.stdout), strict=True))
    assert [(e, said[e]) for e, v in TABLE if not same(json.loads(said[e]), v)] == []
    assert [(e, said[e]) for e in WRONG if not said[e].startswith("error")] == []
