"""Projects of different orchestrators differ only in the files that are listed here."""

import re
from pathlib import Path

import pytest

from tests.projects import ORCHESTRATORS
from tests.render.conftest import FrontEnd

# Each project has these files, and their content may differ.
DIFFERENT = {
    ".copier-answers.yml",
    ".devcontainer/devcontainer.json",
    ".github/CODEOWNERS",
    ".github/workflows/deploy-to.yml",
    ".github/workflows/deploy.yml",
    ".github/workflows/retrain.yml",
    ".gitignore",
    "Makefile",
    "README.md",
    "docs/CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/delivery.md",
    "docs/machines.md",
    "docs/make-it-yours.md",
    "docs/onboarding.md",
    "docs/steps.md",
    "docs/operate.md",
    "ops/Dockerfile",
    "ops/Dockerfile.dockerignore",
    "ops/backup.py",
    "ops/compose.yaml",
    "ops/databases.sh",
    "ops/local.py",
    "ops/monitoring/grafana/dashboards/pipeline-health.json",
    "ops/monitoring/prometheus.yml",
    "ops/monitoring/rules.test.yml",
    "ops/monitoring/rules.yml",
    "ops/stack.py",
    "pyproject.toml",
    "src/my_pipeline/runtime/cli.py",
    "tests/runtime/orchestrator.py",
}
# Files of one orchestrator.
OWN = {
    "prefect": r"flows/.+|prefect\.(toml|yaml)|docs/(images/)?prefect\.(md|png)"
    r"|ops/(deploy\.py|ui\.sh)|tests/runtime/test_(automations|deployment|flow|server)\.py",
    "airflow": r"(dags|plugins)/.+|ops/(airflow|deploy|ui)\.py"
    r"|docs/(images/)?airflow\.(md|png)|tests/runtime/test_(dag|dag_integrity)\.py"
    r"|src/my_pipeline/runtime/run/command\.py",
    "kubeflow": r"pipelines/.+|ops/kubernetes/.+|docs/kubeflow\.md"
    r"|tests/runtime/test_(cluster|jobs|local_run|pipeline)\.py"
    r"|src/my_pipeline/runtime/(notify/jobs|run/command)\.py",
}


@pytest.fixture(scope="module")
def projects(by_orchestrator: dict[str, Path]) -> dict[str, dict[str, bytes]]:
    """Return the files of a project of each orchestrator, by their names."""
    return {name: contents(folder) for name, folder in by_orchestrator.items()}


def contents(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_only_these_files_differ(projects: dict[str, dict[str, bytes]]) -> None:
    shared = set.intersection(*(set(files) for files in projects.values()))
    different = {name for name in shared if len({f[name] for f in projects.values()}) > 1}
    assert different == DIFFERENT
    assert len(shared) > 60


@pytest.mark.parametrize("orchestrator", ORCHESTRATORS)
def test_only_these_files_are_its_own(
    projects: dict[str, dict[str, bytes]], orchestrator: str
) -> None:
    shared = set.intersection(*(set(files) for files in projects.values()))
    own = set(projects[orchestrator]) - shared
    assert own
    assert not [name for name in own if not re.fullmatch(OWN[orchestrator], name)]
    assert not [name for name in shared if re.fullmatch(OWN[orchestrator], name)]


def test_the_target_of_alerts_changes_three_files(
    tmp_path: Path, render_cookiecutter: FrontEnd
) -> None:
    targets = {
        "slack": "slack://",
        "email": "mailtos://",
        "teams": "workflows://",
        "pagerduty": "critical=pagerduty://",
        "webhook": "jsons://",
        "none": "",
    }
    folders = {name: render_cookiecutter(tmp_path / name, alerting=name) for name in targets}
    files = {name: contents(folder) for name, folder in folders.items()}
    names = set.union(*(set(found) for found in files.values()))
    different = {name for name in names if len({f.get(name) for f in files.values()}) > 1}
    assert different == {".copier-answers.yml", ".env.example", "params.yaml"}
    for target, start in targets.items():
        (line,) = re.findall(r"^# ALERT_URLS=(.*)$", files[target][".env.example"].decode(), re.M)
        assert line.startswith(f"'{start}" if start else "")
