"""The version of the code: another one where a result may change, and only there."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from {{{ cookiecutter.package_name }}}.runtime.run import identity
from {{{ cookiecutter.package_name }}}.runtime.run.identity import (
    NOT_PREPARING,
    PACKAGE,
    code_of,
    code_version,
    preparing_version,
)

TEXT = '''"""A module."""  # of a test

import os  # noqa: F401


class Some:
    """A class
    of two lines."""

    size: int = 1
    """An attribute."""


def text(some: str) -> str:
    # Strings that are not docstrings are code.
    "one string " "of two"  # é
    return f"# {some}" + """
    # not a comment
""" + "é"  # a comment
'''
CODE = '''import os
class Some:
    size: int = 1
def text(some: str) -> str:
    return f"# {some}" + """
    # not a comment
""" + "é"'''

# Rows of a string are code, also where they look empty or like a comment.
STRINGS = [
    'x = """one  \n\n  # two\t\n  three"""',
    "x = 'one \\\n two'",
    'x = f"""é {1 + 1}  \n\n{{}} {f\'{2}\'!r:>{3}}  \n# é"""',
    'x = (rf"""\n \n""" "two"\n  """three  \n""")',
    'f"{1}"',
]

# Prints the code of all files of a package, as the Python that runs it reads them.
SCRIPT = """
import importlib.util, sys
from pathlib import Path

spec = importlib.util.spec_from_file_location("identity", sys.argv[1])
identity = importlib.util.module_from_spec(spec)
spec.loader.exec_module(identity)
for file in sorted(Path(sys.argv[2]).rglob("*.py")):
    print(identity.code_of(file.read_text(encoding="utf-8")))
"""

Change = Callable[[str], str]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package."""
    ignore = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(PACKAGE, tmp_path / PACKAGE.name, ignore=ignore)


def version_with(package: Path, changes: dict[str, Change]) -> str:
    """Return the version of a copy of the package in which files were changed or added."""
    copy = shutil.copytree(package, package.with_name(uuid4().hex))
    for name, change in changes.items():
        file = copy / name
        file.parent.mkdir(exist_ok=True)
        content = file.read_text(encoding="utf-8") if file.exists() else ""
        file.write_text(change(content), encoding="utf-8")
    return code_version(copy)


def reworded(content: str) -> str:
    return f'# A comment.\n"""A docstring."""\n\n{content}\n# Another comment.\n'


def extended(content: str) -> str:
    return f"{content}\nCHANGED = True\n"


def test_comments_docstrings_and_blank_lines_are_left_out() -> None:
    assert code_of(TEXT) == CODE
    assert code_of(reworded(TEXT)) == CODE
    assert code_of("x = '\x0c\x1c\u2028'  # é\x0c\ny = 1  # two\n") == "x = '\x0c\x1c\u2028'\ny = 1"


@pytest.mark.parametrize("code", STRINGS)
def test_strings_are_unchanged(code: str) -> None:
    source = f'"""A docstring  \n\nof three lines."""  # é\n\n{code}  # a comment\n\n\ny = 1  \n'
    assert code_of(source) == f"{code}\ny = 1"


def test_a_change_of_words_makes_no_new_run(package: Path) -> None:
    names = [file.relative_to(package).as_posix() for file in package.rglob("*.py")]
    assert version_with(package, dict.fromkeys(names, reworded)) == code_version()


def test_a_change_that_decides_no_result_makes_no_new_run(package: Path) -> None:
    computing = {file.relative_to(PACKAGE).as_posix() for file in identity.computing_files()}
    names = {file.relative_to(package).as_posix() for file in package.rglob("*.py")} - computing
    assert {
        "plots.py",
        "runtime/cli.py",
        "runtime/monitor/doctor.py",
        "runtime/notify/alerts.py",
        "runtime/notify/targets.py",
        "runtime/steps/report.py",
    } <= names
    changes: dict[str, Change] = dict.fromkeys([*names, "runtime/steps/report.html"], extended)
    assert version_with(package, changes) == code_version()


def test_a_change_that_decides_a_result_makes_a_new_run(package: Path) -> None:
    names = {file.relative_to(PACKAGE).as_posix() for file in identity.computing_files()}
    steps = ("ingest", "validate", "snapshot", "features", "train", "evaluate", "release")
    assert {
        *("tables.py", "features.py", "model.py", "evaluation.py", "params.py"),
        *(f"runtime/steps/{step}.py" for step in steps),
        *("runtime/schema.py", "runtime/source/contract.py"),
    } <= names
    new = {"encoders.py", "parts/__init__.py", "parts/encoders.py"}  # the team's next modules
    versions = {version_with(package, {name: extended}) for name in names | new}
    assert len(versions) == len(names | new)
    assert code_version() not in versions


def test_a_period_is_prepared_again_where_code_changes_that_prepares_it(package: Path) -> None:
    names = {file.relative_to(PACKAGE).as_posix() for file in identity.computing_files()}
    before = preparing_version(package)
    for name in {*names, "plots.py", "runtime/cli.py", "encoders.py"}:
        file = package / name
        content = file.read_text(encoding="utf-8") if file.exists() else ""
        file.write_text(extended(content), encoding="utf-8")
        changed = preparing_version(package) != before
        decides = name in names or name == "encoders.py"
        assert changed == (decides and name not in NOT_PREPARING), name
        file.write_text(content, encoding="utf-8")
        before = preparing_version(package)


def test_a_period_is_prepared_again_by_other_libraries(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = preparing_version(package)
    (tmp_path / "polars-99.dist-info").mkdir()
    monkeypatch.setattr(identity, "get_path", lambda _: str(tmp_path))
    (package / "features.py").touch()
    assert preparing_version(package) != before


def test_every_python_reads_the_same_code(package: Path) -> None:
    """The version is that of the code, whatever `ast` and `tokenize` are like."""
    (package / "strings.py").write_text("\n".join([TEXT, *STRINGS]), encoding="utf-8")
    found = [shutil.which(f"python3.{minor}") for minor in range(11, 16)]
    pythons = {sys.executable, *(path for path in found if path)}
    pythons |= {str(path) for path in Path.home().glob(".pyenv/versions/3.1[1-9].*/bin/python3")}
    command = ["-c", SCRIPT, str(identity.__file__), str(package)]
    codes = set()
    for python in pythons:
        done = subprocess.run([python, *command], capture_output=True, text=True, check=False)
        if "No module named" not in done.stderr and "pyenv: " not in done.stderr:
            assert done.returncode == 0, done.stderr
            codes.add(done.stdout)
    assert len(codes) == 1
