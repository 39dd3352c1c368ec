"""The project's files: whether they are still the sample's, and how drafted ones replace them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput

from ..git import diff, git

PACKAGE = Path("src/{{{ cookiecutter.package_name }}}")
QUERIES = PACKAGE / "queries"
"""Of a project whose source is a database."""
DATA, SAMPLE_DATA = Path("data/source"), Path("{{{ cookiecutter.__sample }}}")
KEPT = {data: data.with_name(f"{data.name}.before-adopt") for data in (DATA, SAMPLE_DATA)}
"""Where data go that are replaced: git has no copy of them."""
DRAFTED = DATA.with_name(".adopt")
"""The table's periods, until they become `DATA`: on the same disk, if data/ is a link."""
SMALL = Path("tests/data/source")
"""What the tests and CI read in place of the source."""
PARAMS_FILE, PROJECT_FILE = Path("params.yaml"), Path("pyproject.toml")
STAGING = Path(".adopt")

SAMPLE = PACKAGE / "sample.py"
MODULES = [SAMPLE, *(PACKAGE / f"{name}.py" for name in room.ROOM)]
TESTS = ["tests/conftest.py", ":(glob)tests/test_*.py", str(QUERIES)]
REPLACED = ("source", "model_name", "features", "train", "evaluate")
"""The keys of params.yaml whose values the draft replaces, or builds on."""


def check_unedited(file: Path | None) -> None:
    """Check that the team's files are the sample's, as they were first committed.

    Args:
        file: the table; None if it is in the source already, so that no data are written.

    Raises:
        BadInput: they are not, or the table's periods cannot be put in the place of the data.
    """
    if not SAMPLE.exists():
        raise BadInput(
            f"{SAMPLE} is gone: the sample was replaced before, and a draft replaces it alone. To "
            'adopt another table, restore it: see "Adopt another table" in docs/make-it-yours.md.'
        )
    git("rev-parse", "--git-dir")
    first = git("rev-list", "--all", "--reverse", "--", str(SAMPLE)).split()
    if not first:
        raise BadInput("Commit the project first, so that nothing of yours is lost.")
    paths = ["--", *map(str, MODULES), *TESTS]
    edited = diff("--name-only", "--relative", first[0], *paths).splitlines()
    edited += git("ls-files", "--others", "--exclude-standard", *paths).splitlines()
    edited += [
        f"{key} in {PARAMS_FILE}"
        for key, value in _params(git("show", f"{first[0]}:./{PARAMS_FILE}")).items()
        if value != _params(PARAMS_FILE.read_text(encoding="utf-8")).get(key)
        and (file or key != "source")
    ]
    if edited:
        raise BadInput(
            f"Nothing is written, because these are no longer the sample's: {', '.join(edited)}. "
            "Restore them with git, or go on by hand as docs/make-it-yours.md says."
        )
    if file:
        _check_data(file)
    if SMALL.exists():
        raise BadInput(
            f"{SMALL} is there already: move it, because a part of the table goes there."
        )


def _check_data(file: Path) -> None:
    """Check that the periods of a file can be put in the place of the sample's data."""
    if DATA.resolve() in file.resolve().parents:
        raise BadInput(
            f"{file} is in {DATA}: move it elsewhere, because its periods are written there."
        )
    others = {path.name for path in DATA.glob("*")} - {*room.tables().TABLES}
    if others:
        raise BadInput(
            f"{DATA} has data that are not the sample's, {', '.join(sorted(others))}: move them, "
            "because the table's periods are written there."
        )
    for data, kept in KEPT.items():
        if kept.exists():
            raise BadInput(f"{kept} is there already: move it, because {data} is renamed to that.")


def _params(text: str) -> dict[str, Any]:
    """Return the values of params.yaml that are replaced."""
    read = yaml.safe_load(text) or {}
    drop = read.get("alerts", {}).get("quality_drop")
    return {key: read.get(key) for key in REPLACED} | {"alerts.quality_drop": drop}


@contextmanager
def replacing() -> Iterator[Path]:
    """Yield a folder; put all files written there in the place of the sample's, or none.

    If `DRAFTED` is written, it becomes `DATA`, and the data that were there stay, as in `KEPT`.

    Raises:
        BadInput: a file cannot be moved; all are back in their places.
    """
    for folder in (STAGING, DRAFTED):
        shutil.rmtree(folder, ignore_errors=True)
    new, old = STAGING / "new", STAGING / "old"
    new.mkdir(parents=True)
    try:
        yield new
        moves = []
        if DRAFTED.exists():
            moves += [(data, kept) for data, kept in KEPT.items() if data.exists()]
            moves += [(DRAFTED, DATA)]
        tests = [*Path("tests").glob("test_*.py"), Path("tests/conftest.py")]
        replaced = [QUERIES, *MODULES, *tests]
        drafted = [path.relative_to(new) for path in new.rglob("*") if path.is_file()]
        drafted = [path for path in drafted if QUERIES not in path.parents]
        for path in dict.fromkeys([*replaced, *drafted]):
            moves += [(path, old / path)] if path.exists() else []
            moves += [(new / path, path)] if (new / path).exists() else []
        _move_all(moves)
    finally:
        for folder in (STAGING, DRAFTED):
            shutil.rmtree(folder, ignore_errors=True)


def _move_all(moves: list[tuple[Path, Path]]) -> None:
    """Move files and folders; move all back where one cannot be moved."""
    try:
        for start, end in moves:
            end.parent.mkdir(parents=True, exist_ok=True)
            start.rename(end)
    except BaseException as error:
        for place, moved in reversed(moves):
            if moved.exists() and not place.exists():
                moved.rename(place)
        if not isinstance(error, OSError):
            raise
        raise BadInput(
            f"Nothing is changed, because {start} cannot become {end}: {error.strerror}."
        ) from None
