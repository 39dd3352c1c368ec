"""From nothing to the first released model: packages in uv's cache, nothing compiled yet."""

from collections.abc import Callable
from pathlib import Path

from .measuring import ROOT, TOOLS, commit, seconds, show

AIM = 40


def main(project: Callable[[], Path]) -> None:
    """Make the project, which prints what it takes; any other question does so too."""
    project()


def from_nothing(folder: Path, *answers: str) -> Path:
    """Render a project into a folder, set it up and run it; return its folder.

    Args:
        folder: where it is rendered.
        answers: those that are not the default, such as `orchestrator=airflow`.
    """
    project = folder / "my-pipeline"
    render: list[str | Path] = [TOOLS / "cookiecutter", ROOT, "--no-input", "--output-dir", folder]
    took = {"render": seconds([*render, *answers], folder)}
    commit(project)
    for target in ("setup", "run"):
        took[f"make {target}"] = seconds(["make", target], project)
    rows = [(step, f"{second:.1f}", "") for step, second in took.items()]
    total = ("together", f"{sum(took.values()):.1f}", f"< {AIM}")
    title = ", ".join(["From nothing to the first released model", *answers])
    show(title, ("", "seconds", "aim"), [*rows, total])
    return project
