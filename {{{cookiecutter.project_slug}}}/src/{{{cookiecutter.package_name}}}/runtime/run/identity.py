"""The version of the code that computes a result: one part of a run's id.

Only the modules that decide a result count, and of those only the code: comments, docstrings and
blank lines are left out. The same text gives the same version on every Python and in the image.
"""

import hashlib
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from sys import version_info
from sysconfig import get_path

PACKAGE = Path(__file__).parents[2]

NOT_COMPUTING = {"__init__.py", "__main__.py", "plots.py", "sample.py"}
"""Modules of the team that draw, or lay out the sample: a change of theirs makes no new run."""

PREPARING = ("ingest", "validate", "features")
"""The steps that prepare a period."""

LATER = ("snapshot", "train", "evaluate", "release", "quarantine")
"""The other steps that decide a result."""

COMPUTING = (
    "runtime/periods.py",
    "runtime/schema.py",
    "runtime/source/content.py",
    "runtime/source/contract.py",
    "runtime/source/formats.py",
    "runtime/source/isolated.py",
    "runtime/source/kinds.py",
    "runtime/source/reader.py",
    *(f"runtime/steps/{step}.py" for step in (*PREPARING, *LATER)),
)
"""Modules of the runtime that decide a result.{{{ ' `dvc.yaml` names the same files.' if cookiecutter.versioning == 'dvc' else '' }}}"""

NOT_PREPARING = {"model.py", "evaluation.py", *(f"runtime/steps/{step}.py" for step in LATER)}
"""Those of the modules that decide a result which come after the periods are prepared."""

_BETWEEN = {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}

_FORMATTED = re.compile(r"\w*[ft]", re.IGNORECASE)
"""The prefix of a string whose braces hold code."""

Token = tokenize.TokenInfo


def computing_files(package: Path = PACKAGE) -> list[Path]:
    """Return the files that decide a result: the team's modules, and `COMPUTING`."""
    team = [file for file in package.rglob("*.py") if file.parts[len(package.parts)] != "runtime"]
    own = [file for file in team if file.relative_to(package).as_posix() not in NOT_COMPUTING]
    return sorted([*own, *(package / name for name in COMPUTING)])


@cache
def code_version(package: Path = PACKAGE) -> str:
    """Return a hash of the code that decides a result, 12 hex."""
    return _version(package, computing_files(package))


def preparing_version(package: Path = PACKAGE) -> str:
    """Return a hash of what prepares a period: the code that checks and joins, and the libraries.

    The code is that of the files as they are now, which may have changed since they were imported.
    """
    after = {package / name for name in NOT_PREPARING}
    files = [file for file in computing_files(package) if file not in after]
    return _preparing_version(package, tuple((file, file.stat().st_mtime_ns) for file in files))


@cache
def _preparing_version(package: Path, files: tuple[tuple[Path, int], ...]) -> str:
    libraries = sorted(found.name for found in Path(get_path("purelib")).glob("*.dist-info"))
    digest = hashlib.sha256(f"{version_info[:2]} {libraries}".encode())
    digest.update(_version(package, [file for file, _ in files]).encode())
    return digest.hexdigest()[:12]


def _version(package: Path, files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        name = file.relative_to(package).as_posix()
        digest.update(f"{name}\0{code_of(file.read_text(encoding='utf-8'))}\0".encode())
    return digest.hexdigest()[:12]


def code_of(source: str) -> str:
    """Return Python source without comments, docstrings, blank lines and trailing blanks.

    `tokenize` gives the positions; the rest of the text stays unchanged, and so do all strings.
    Unlike a dump of the syntax tree, it is the same in every version of Python.
    """
    lines = list(io.StringIO(source))  # as Python counts them: `splitlines` ends one at a form feed
    tokens = list(_tokens(source))
    in_string = {row for token in tokens if _is_string(token) for row in _broken_rows(token, token)}
    for first, last in sorted(_left_out(tokens), reverse=True, key=lambda part: part[0].start):
        (top, left), (bottom, right) = first.start, last.end
        lines[top - 1 : bottom] = [
            lines[top - 1][:left] + lines[bottom - 1][right:],
            *[""] * (bottom - top),  # so that the rows after it keep their numbers
        ]
        in_string -= _broken_rows(first, last)
    kept = (
        line.removesuffix("\n") if row in in_string else line.rstrip() or None
        for row, line in enumerate(lines, 1)
    )
    return "\n".join(line for line in kept if line is not None)


def _tokens(source: str) -> Iterator[Token]:
    """Yield the tokens of a source. An f-string is one token, which Python 3.12 and newer split."""
    opened: list[Token] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        name = tokenize.tok_name[token.type]
        if name.endswith("STRING_START"):  # of FSTRING_START, and of TSTRING_START in Python 3.14
            opened.append(token)
        elif name.endswith("STRING_END"):
            start = opened.pop()
            if not opened:
                yield start._replace(type=tokenize.STRING, end=token.end)
        elif not opened:
            yield token


def _is_string(token: Token) -> bool:
    return token.type == tokenize.STRING


def _broken_rows(first: Token, last: Token) -> set[int]:
    """Return the rows from one token to another whose ends are between them."""
    return set(range(first.start[0], last.end[0]))


def _left_out(tokens: list[Token]) -> Iterator[tuple[Token, Token]]:
    """Yield the first and last token of each comment, and of strings that are statements."""
    statement: list[Token] = []
    for token in tokens:
        if token.type == tokenize.COMMENT:
            yield token, token
        elif token.type in _BETWEEN:
            if statement and all(
                _is_string(part) and not _FORMATTED.match(part.string) for part in statement
            ):
                yield statement[0], statement[-1]
            statement = []
        elif token.type != tokenize.NL:
            statement.append(token)
