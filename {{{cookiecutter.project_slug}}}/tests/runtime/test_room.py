"""The team's modules are complete; what they lack is named before anything runs."""

import re
from pathlib import Path

import pytest

import {{{ cookiecutter.package_name }}} as package
from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput

from .conftest import P, Project, copy_package, python

HELP = ". docs/make-it-yours.md describes what is needed, runtime/room.py has the exact list."


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package."""
    return copy_package(tmp_path / "code")


def rename(module: Path, name: str) -> None:
    """Give a name at the top of a module another one."""
    text = module.read_text(encoding="utf-8")
    changed = re.sub(rf"^(def |class )?{name}\b", r"\1renamed", text, flags=re.MULTILINE)
    assert changed != text
    module.write_text(changed, encoding="utf-8")


def test_the_room_is_complete(copy: Path) -> None:
    room.check_room()
    room.check_room(copy)


def refused(copy: Path) -> str:
    """Return the sentence with which a copy is refused."""
    with pytest.raises(BadInput) as error:
        room.check_room(copy)
    return str(error.value)


@pytest.mark.parametrize("name", room.ROOM)
def test_a_module_is_missing(copy: Path, name: str) -> None:
    (copy / f"{name}.py").unlink()
    assert refused(copy) == f"{name}.py is missing in {copy}{HELP}"


@pytest.mark.parametrize(
    ("module", "name", "what"),
    [
        ("tables", "MAIN", "the name `MAIN`"),
        ("evaluation", "HEADLINE", "the name `HEADLINE`"),
        ("params", "TrainParams", "the name `TrainParams`"),
        ("features", "join", "`join(tables)`"),
        ("evaluation", "decide", "`decide(limits, challenger, champion)`"),
        ("plots", "figures", "`figures(model, rows, predictions, slices, seed)`"),
    ],
)
def test_a_name_is_missing(copy: Path, module: str, name: str, what: str) -> None:
    rename(copy / f"{module}.py", name)
    assert refused(copy) == f"{module}.py lacks {what}{HELP}"


def test_an_import_that_another_module_lacks(copy: Path) -> None:
    plots = (copy / "plots.py").read_text(encoding="utf-8")
    (copy / "plots.py").write_text(f"from .model import nothing\n{plots}", encoding="utf-8")
    sentence = "plots.py, line 1, imports `nothing` from model.py, which does not define it."
    assert refused(copy) == sentence


def define(copy: Path, arguments: str) -> None:
    """Give `measure` these arguments."""
    with (copy / "evaluation.py").open("a", encoding="utf-8") as module:
        module.write(f"\n\ndef measure({arguments}):\n    return {{}}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        "labels",
        "predictions, labels",
        "labels, predictions, weights",
        "labels, predictions, *, weights",
        "labels, *, predictions",
    ],
)
def test_a_function_takes_other_arguments(copy: Path, arguments: str) -> None:
    define(copy, arguments)
    assert refused(copy) == (
        f"evaluation.py has `measure({arguments})`, and the runtime calls "
        f"`measure(labels, predictions)`{HELP}"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        "labels, predictions, weights=None",
        "labels, predictions=None, *, weights=None",
        "labels, predictions, /, *more, **others",
    ],
)
def test_a_function_may_take_more_that_has_a_default(copy: Path, arguments: str) -> None:
    define(copy, arguments)
    room.check_room(copy)


@pytest.mark.parametrize(
    ("module", "name", "command"),
    [
        ("features", "check_labels", ("check-room",)),
        ("tables", "MAIN", ("run", "--period", P[4])),
        ("params", "EvaluateParams", ("status",)),
    ],
)
def test_a_command_is_refused(
    copy: Path, project: Project, module: str, name: str, command: tuple[str, ...]
) -> None:
    files = project.files()
    rename(copy / f"{module}.py", name)
    done = python(copy.parent, "-m", package.__name__, *command)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert re.match(rf"error: {module}\.py lacks (the name )?`{name}", line)
    assert project.files() == files


def test_no_run_is_planned(project: Project, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor by an orchestrator, which plans without the command line."""
    check = room.check_room
    rename(copy / "model.py", "predict")
    monkeypatch.setattr(room, "check_room", lambda: check(copy))
    with pytest.raises(BadInput, match=r"^model\.py lacks `predict\(model, rows\)`"):
        project.plan(P[4])
    assert not list((project.folder / "runs").glob("*/plan.json"))
