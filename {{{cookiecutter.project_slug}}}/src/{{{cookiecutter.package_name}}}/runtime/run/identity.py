"""The version of the code that computes a result: one part of a run's id.

Only the modules that decide a result count, and of those only the code: comments, docstrings and
blank lines are left out. The same text gives the same version on every Python and in the image.
"""

import hashlib
import io
import tokenize
from collections.abc import Iterator
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

_BETWEEN = {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}


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

    `tokenize` gives the positions; the rest of the text stays unchanged. Unlike a dump of the
    syntax tree, it is the same in every version of Python.
    """
    lines = list(io.StringIO(source))  # as Python counts them: `splitlines` ends one at a form feed
    for (first, left), (last, right) in sorted(_left_out(source), reverse=True):
        lines[first - 1 : last] = [lines[first - 1][:left] + lines[last - 1][right:]]
    kept = (line.rstrip() for line in lines)
    return "\n".join(line for line in kept if line)


def _left_out(source: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield where comments stand, and strings that are statements of their own."""
    statement: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start, token.end
        elif token.type in _BETWEEN:
            if statement and all(part.type == tokenize.STRING for part in statement):
                yield statement[0].start, statement[-1].end
            statement = []
        elif token.type != tokenize.NL:
            statement.append(token)
