"""The version of the code that computes a result: one part of a run's id.

Only the modules that decide a result count, and of those only the code: comments, docstrings and
blank lines are left out. The same text gives the same version on every Python and in the image.
"""

import ast
import hashlib
import io
import tokenize
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[2]

NOT_COMPUTING = {"__init__.py", "__main__.py", "plots.py", "sample.py"}
"""Modules of the team that draw, or lay out the sample: a change of theirs makes no new run."""

COMPUTING = (
    "runtime/periods.py",
    "runtime/schema.py",
    "runtime/source/contract.py",
    "runtime/source/reader.py",
    "runtime/steps/evaluate.py",
    "runtime/steps/features.py",
    "runtime/steps/ingest.py",
    "runtime/steps/quarantine.py",
    "runtime/steps/release.py",
    "runtime/steps/snapshot.py",
    "runtime/steps/train.py",
    "runtime/steps/validate.py",
)
"""Modules of the runtime that decide a result. `dvc.yaml` names the same files."""


def computing_files(package: Path = PACKAGE) -> list[Path]:
    """Return the files that decide a result: the team's modules, and `COMPUTING`."""
    team = [file for file in package.rglob("*.py") if file.parts[len(package.parts)] != "runtime"]
    own = [file for file in team if file.relative_to(package).as_posix() not in NOT_COMPUTING]
    return sorted([*own, *(package / name for name in COMPUTING)])


@cache
def code_version(package: Path = PACKAGE) -> str:
    """Return a hash of the code that decides a result, 12 hex."""
    digest = hashlib.sha256()
    for file in computing_files(package):
        name = file.relative_to(package).as_posix()
        digest.update(f"{name}\0{code_of(file.read_text(encoding='utf-8'))}\0".encode())
    return digest.hexdigest()[:12]


def code_of(source: str) -> str:
    """Return Python source without comments, docstrings, blank lines and trailing blanks.

    `ast` and `tokenize` give the positions; the rest of the text stays unchanged. Unlike a dump of
    the syntax tree, it is the same in every version of Python.
    """
    lines = [line.encode() for line in _lines(source)]
    for start, end in sorted(_docstrings(source) + _comments(source), reverse=True):
        (first, left), (last, right) = start, end
        lines[first - 1 : last] = [lines[first - 1][:left] + lines[last - 1][right:]]
    kept = (line.decode().rstrip() for line in lines)
    return "\n".join(line for line in kept if line)


def _lines(source: str) -> list[str]:
    """Return the lines as Python counts them: `str.splitlines` also ends one at a form feed."""
    return list(io.StringIO(source))


_Span = tuple[tuple[int, int], tuple[int, int]]


def _docstrings(source: str) -> list[_Span]:
    """Return where strings stand that are statements of their own, in lines and bytes."""
    return [
        ((node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]


def _comments(source: str) -> list[_Span]:
    """Return where comments stand, in lines and bytes."""
    lines = _lines(source)

    def position(row: int, characters: int) -> tuple[int, int]:
        return row, len(lines[row - 1][:characters].encode())

    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [
        (position(*token.start), position(*token.end))
        for token in tokens
        if token.type == tokenize.COMMENT
    ]
