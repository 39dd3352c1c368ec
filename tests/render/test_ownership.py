"""The team's files: the same for every answer, and the same list for updates and for reviews."""

import re
from pathlib import Path

import pytest

from tests.ownership import team_files, team_patterns
from tests.projects import ORCHESTRATORS
from tests.render.conftest import FrontEnd
from tests.render.test_orchestrators import contents

QUERIES = "/src/*/queries/*.sql"
"""Files that are there under one answer to `source`: another answer must not hide their owner."""


def test_no_answer_but_name_and_problem_changes_a_file_of_the_team(template: Path) -> None:
    """A file without other conditions and values is the same for all other answers."""
    tree = template / "{{{cookiecutter.project_slug}}}"
    blocks = {'{% if cookiecutter.problem == "binary" %}', "{% else %}", "{% endif %}"}
    for file in team_files(tree):
        text = (tree / file).read_text(encoding="utf-8")
        assert set(re.findall("{%.*?%}|{##", text)) <= blocks, file
        values = set(re.findall("{{{.*?}}}", text)) - {"{{{ cookiecutter.package_name }}}"}
        assert all(" if cookiecutter.problem == 'binary' else " in value for value in values), file
        assert set(re.findall(r"cookiecutter\.(\w+)", file)) <= {
            *("package_name", "__binary", "__regression", "__sql"),
        }


def test_only_the_room_and_its_parameters_depend_on_the_problem(
    by_orchestrator: dict[str, Path], tmp_path: Path, render_copier: FrontEnd
) -> None:
    other = render_copier(tmp_path / "regression", problem="regression")
    binary, regression = contents(by_orchestrator["prefect"]), contents(other)
    assert binary.keys() == regression.keys()
    assert {name for name in binary if binary[name] != regression[name]} == {
        *(".copier-answers.yml", "params.yaml"),
        *(f"src/my_pipeline/{name}.py" for name in ("features", "model", "evaluation")),
        *(f"src/my_pipeline/{name}.py" for name in ("plots", "params")),
        *(f"tests/test_{name}.py" for name in ("features", "model", "evaluation")),
        *(f"tests/test_{name}.py" for name in ("leakage", "plots")),
    }


def test_every_orchestrator_has_the_same_files_of_the_team(
    by_orchestrator: dict[str, Path],
) -> None:
    rooms = [
        {file: (project / file).read_bytes() for file in team_files(project)}
        for project in by_orchestrator.values()
    ]
    assert rooms[0]
    assert rooms == [rooms[0]] * len(ORCHESTRATORS)


@pytest.mark.parametrize("orchestrator", ORCHESTRATORS)
def test_code_owners(by_orchestrator: dict[str, Path], orchestrator: str) -> None:
    """The team's files are those that an update leaves alone. Paths exist; no line is active."""
    project = by_orchestrator[orchestrator]
    lines = (project / ".github/CODEOWNERS").read_text(encoding="utf-8").splitlines()
    assert all(line.startswith("#") or not line for line in lines)
    rules = [line.split()[1:] for line in lines if re.match(r"# [/*]", line)]
    team = [path for path, *owners in rules if owners == ["@your-org/ml"]]
    assert team == [f"/{pattern}" for pattern in team_patterns()]
    for path, *_ in rules:
        assert list(project.glob(path.strip("/"))) or path == QUERIES, path
