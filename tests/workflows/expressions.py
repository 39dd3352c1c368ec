"""GitHub's expressions, the `${{ }}` of a workflow, as its documentation defines them.

A context, function or form that is not allowed at its place is an error. A property that a known
context lacks is null, as on GitHub. Object filters (`.*`) are not supported.
"""

import json
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Function = Callable[..., Any]

TEMPLATE = re.compile(r"\$\{\{((?:[^'}]|'[^']*'|\}(?!\}))*)\}\}")
TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>[-+]?(?:0x[0-9a-fA-F]+|0o[0-7]+|\d+(?:\.\d*)?(?:[eE][-+]?\d+)?))
      | (?P<string>'(?:[^']|'')*')
      | (?P<name>[A-Za-z_][\w-]*)
      | (?P<sign>==|!=|<=|>=|&&|\|\||[!<>()\[\].,])
      | (?P<end>$)
    )""",
    re.VERBOSE | re.ASCII,
)
LITERALS = {"true": True, "false": False, "null": None, "NaN": math.nan, "Infinity": math.inf}
BINDING = {"||": 1, "&&": 2, "==": 3, "!=": 3, "<": 4, "<=": 4, ">": 4, ">=": 4}
STATUS = frozenset({"success", "failure", "always", "cancelled"})


class ExpressionError(Exception):
    """An expression that GitHub would refuse, or that is not known here."""


class CaseSensitive(dict[str, Any]):
    """A context with case-sensitive names, such as `env` on Linux; other contexts ignore case."""


@dataclass(frozen=True)
class Scope:
    """What an expression can name at its place in a workflow."""

    contexts: Mapping[str, Any]
    functions: Mapping[str, Function] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Return whether there is a function of this name."""
        return name in self.functions or name in FUNCTIONS


Node = Callable[[Scope], Any]


def truthy(value: Any) -> bool:
    """Return the truth of a value for `if`, `!`, `&&` and `||`."""
    if is_number(value):
        return value != 0 and not math.isnan(value)
    return value is not None and value is not False and value != ""


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def text(value: Any) -> str:
    """Return a value as text."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int() | float():
            return number_text(value)
        case str():
            return value
    return "Array" if isinstance(value, list) else "Object"


def number_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return f"{value or 0:.15G}"  # `or 0`: there is no -0


def number(value: Any) -> float:
    """Return a value as a number, for a comparison with a value of another type."""
    match value:
        case None:
            return 0
        case bool() | int() | float():
            return float(value)
        case str():
            return parse_number(value.strip())
    return math.nan


def parse_number(given: str) -> float:
    if not given:
        return 0
    special = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
    if given in special:
        return special[given]
    if re.fullmatch(r"0x[0-9a-fA-F]+|0o[0-7]+", given):
        return int(given, 0)
    if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", given, re.ASCII):
        return float(given)
    return math.nan


def alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Bring two values to one type: texts to capitals, others to numbers."""
    if isinstance(left, str) and isinstance(right, str):
        return left.upper(), right.upper()
    return number(left), number(right)


def equal(left: Any, right: Any) -> bool:
    """Compare as `==` does."""
    if isinstance(left, dict | list) and isinstance(right, dict | list):
        return left is right
    left, right = alike(left, right)
    return bool(left == right)


def compare(test: Callable[[Any, Any], bool]) -> Function:
    return lambda left, right: bool(test(*alike(left, right)))


COMPARE: dict[str, Function] = {
    "==": equal,
    "!=": lambda left, right: not equal(left, right),
    "<": compare(operator.lt),
    "<=": compare(operator.le),
    ">": compare(operator.gt),
    ">=": compare(operator.ge),
}


def contains(search: Any, item: Any) -> bool:
    if isinstance(search, list):
        return any(equal(element, item) for element in search)
    return not isinstance(search, dict) and text(item).upper() in text(search).upper()


def format_(pattern: Any, *values: Any) -> str:
    def replace(found: re.Match[str]) -> str:
        if found[0] in ("{{", "}}"):
            return found[0][0]
        if not found[1] or int(found[1]) >= len(values):
            raise ExpressionError(f"format has no value for {found[0]} in {pattern!r}")
        return text(values[int(found[1])])

    return re.sub(r"\{\{|\}\}|\{(\d+)\}|[{}]", replace, text(pattern))


def join(array: Any, separator: Any = ",") -> str:
    return (
        text(separator).join(text(item) for item in array)
        if isinstance(array, list)
        else text(array)
    )


def from_json(value: Any) -> Any:
    try:
        return json.loads(text(value))
    except ValueError as error:
        raise ExpressionError(f"fromJSON: {value!r} is no JSON") from error


def case(*values: Any) -> Any:
    if len(values) < 3 or len(values) % 2 == 0:
        raise ExpressionError("case needs pairs of a condition and a value, and a last value")
    pairs = zip(values[:-1:2], values[1::2], strict=True)
    return next((value for holds, value in pairs if truthy(holds)), values[-1])


# By their names in small letters: GitHub ignores case here, too.
FUNCTIONS: dict[str, Function] = {
    "contains": contains,
    "startswith": lambda whole, start: text(whole).upper().startswith(text(start).upper()),
    "endswith": lambda whole, end: text(whole).upper().endswith(text(end).upper()),
    "format": format_,
    "join": join,
    "tojson": lambda value: json.dumps(value, indent=2, ensure_ascii=False),
    "fromjson": from_json,
    "case": case,
}


def look_up(value: Any, key: Any) -> Any:
    """Return a property of an object or an element of an array, or null where there is none."""
    if isinstance(value, list):
        index = number(key)
        return value[int(index)] if 0 <= index < len(value) else None
    if not isinstance(value, dict):
        return None
    key = text(key)
    if key in value or isinstance(value, CaseSensitive):
        return value.get(key)
    return next((found for name, found in value.items() if name.upper() == key.upper()), None)


class Parser:
    """Reads one expression, by the binding of its operators."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.called: set[str] = set()
        self.tokens: list[tuple[str, str]] = []
        place = 0
        while not self.tokens or self.tokens[-1][0] != "end":
            found = TOKEN.match(source, place)
            if not found or not found.lastgroup:
                raise ExpressionError(f"unknown sign in ${{{{{source}}}}}: {source[place:]!r}")
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            place = found.end()
        self.tokens.reverse()  # the next one is last

    def fail(self) -> ExpressionError:
        return ExpressionError(
            f"unexpected {self.tokens[-1][1] or 'end'!r} in ${{{{{self.source}}}}}"
        )

    def next_is(self, *signs: str) -> bool:
        return self.tokens[-1][0] == "sign" and self.tokens[-1][1] in signs

    def take(self, kind: str, *texts: str) -> str:
        if self.tokens[-1][0] != kind or (texts and self.tokens[-1][1] not in texts):
            raise self.fail()
        return self.tokens.pop()[1]

    def whole(self) -> Node:
        node = self.expression()
        self.take("end")
        return node

    def expression(self, least: int = 0) -> Node:
        left = self.operand()
        while self.next_is(*BINDING) and BINDING[self.tokens[-1][1]] > least:
            sign = self.take("sign")
            left = binary(sign, left, self.expression(BINDING[sign]))
        return left

    def operand(self) -> Node:
        if self.next_is("!"):
            self.take("sign")
            inner = self.operand()
            return lambda scope: not truthy(inner(scope))
        node = self.primary()
        while self.next_is(".", "["):
            if self.take("sign") == ".":
                node = access(node, literal(self.take("name")))
            else:
                node = access(node, self.expression())
                self.take("sign", "]")
        return node

    def primary(self) -> Node:
        match self.tokens[-1][0]:
            case "number":
                return literal(self.number(self.take("number")))
            case "string":
                return literal(self.take("string")[1:-1].replace("''", "'"))
            case "name":
                name = self.take("name")
                if self.next_is("("):
                    return self.call(name.lower())
                return literal(LITERALS[name]) if name in LITERALS else context(name.lower())
        self.take("sign", "(")
        inner = self.expression()
        self.take("sign", ")")
        return inner

    def number(self, token: str) -> float:
        return float(int(token, 0)) if re.match(r"[-+]?0[xo]", token) else float(token)

    def call(self, name: str) -> Node:
        self.called.add(name)
        self.take("sign", "(")
        arguments: list[Node] = []
        while not self.next_is(")"):
            if arguments:
                self.take("sign", ",")
            arguments.append(self.expression())
        self.take("sign", ")")

        def node(scope: Scope) -> Any:
            if not scope.has(name):
                raise ExpressionError(f"no function {name!r} here: ${{{{{self.source}}}}}")
            function = scope.functions.get(name) or FUNCTIONS[name]
            return function(*(argument(scope) for argument in arguments))

        return node


def literal(value: Any) -> Node:
    return lambda scope: value


def context(name: str) -> Node:
    def node(scope: Scope) -> Any:
        if name not in scope.contexts:
            raise ExpressionError(f"no context {name!r} here, but {', '.join(scope.contexts)}")
        return scope.contexts[name]

    return node


def access(value: Node, key: Node) -> Node:
    return lambda scope: look_up(value(scope), key(scope))


def binary(sign: str, left: Node, right: Node) -> Node:
    def node(scope: Scope) -> Any:
        value = left(scope)
        if sign == "&&":
            return right(scope) if truthy(value) else value
        if sign == "||":
            return value if truthy(value) else right(scope)
        return COMPARE[sign](value, right(scope))

    return node


def evaluate(expression: str, scope: Scope) -> Any:
    """Return the value of one expression, without its braces."""
    return Parser(expression).whole()(scope)


def fill(given: Any, scope: Scope) -> Any:
    """Replace each `${{ }}` in a text, or in the texts of a list or an object.

    A text that is one expression becomes its value, of whatever type; else there is a text.
    """
    match given:
        case dict():
            return {key: fill(value, scope) for key, value in given.items()}
        case list():
            return [fill(value, scope) for value in given]
        case str():
            if given.count("${{") != len(TEMPLATE.findall(given)):
                raise ExpressionError(f"an expression that does not end: {given!r}")
            if whole := TEMPLATE.fullmatch(given.strip()):
                return evaluate(whole[1], scope)
            return TEMPLATE.sub(lambda found: text(evaluate(found[1], scope)), given)
    return given


def holds(condition: Any, scope: Scope) -> bool:
    """Evaluate an `if`, braces or none. Without a function of the status, `success()` is meant."""
    source = text(condition).strip()
    if whole := TEMPLATE.fullmatch(source):
        source = whole[1]
    if "${{" in source:
        raise ExpressionError(f"`if: {source}` is a text around an expression, and always true")
    parser = Parser(source)
    node = parser.whole()
    if not parser.called & STATUS:
        node = binary("&&", Parser("success()").whole(), node)
    return truthy(node(scope))
