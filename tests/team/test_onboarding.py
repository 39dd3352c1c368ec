"""The first change of docs/onboarding.md applies, and its test fails without it."""

import re
from pathlib import Path

import pytest

from tests.projects import Project, clone, share_types

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("default project")]

TEST = (
    "-m",
    "pytest",
    "-q",
    "-p",
    "no:cacheprovider",
    "tests/test_model.py::test_derived_features",
)


def test_the_first_change(project: Project, tmp_path: Path) -> None:
    """Under one orchestrator: tests/render checks that the two files are the same under all."""
    newcomer = clone(project, tmp_path / "my-pipeline")
    folder, shell = newcomer.folder, newcomer.shell
    document = (folder / "docs/onboarding.md").read_text()
    (change,) = re.findall(r"^```diff\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)
    file = tmp_path / "first.diff"
    file.write_text(change)
    python = folder / ".venv/bin/python"

    shell("git", "apply", "--include=tests/*", file, cwd=folder)
    failed = shell("env", "PYTHONPATH=src", python, *TEST, cwd=folder, ok=False)
    assert "KeyError: 'scheduled_minutes'" in failed.stdout
    shell("git", "apply", "--include=src/*", file, cwd=folder)
    shell("env", "PYTHONPATH=src", python, *TEST, cwd=folder)
    share_types(project, newcomer)
    newcomer.make("lint")
    changed = shell("git", "diff", "--name-only", cwd=folder).stdout.split()
    assert changed == ["src/my_pipeline/model.py", "tests/test_model.py"]
