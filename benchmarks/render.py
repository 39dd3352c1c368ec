"""Rendering with each front end, beside the same engine rendering a template of one file."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from .measuring import ROOT, TOOLS, commit, in_turns, output, seconds, show

ROUNDS = 7
AIM = 1.5

ONE_FILE = {
    "cookiecutter": {
        "cookiecutter.json": '{"name": "one"}',
        "{{cookiecutter.name}}/README.md": "# {{ cookiecutter.name }}\n",
    },
    "copier": {
        "copier.yml": "name: {type: str, default: one}",
        "README.md.jinja": "# {{ name }}\n",
    },
}


def main(_project: Callable[[], Path]) -> None:
    """Print the seconds of both front ends; templates are clones, as their users have them."""
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        folder = Path(made)
        ours = folder / "ours"
        output(["git", "clone", "--quiet", ROOT, ours], folder)
        works = {}
        for tool, files in ONE_FILE.items():
            small = folder / f"small-{tool}"
            for name, content in files.items():
                (small / name).parent.mkdir(parents=True, exist_ok=True)
                (small / name).write_text(content)
            commit(small)
            works[f"{tool} small"] = rendering(tool, small, folder)
            works[f"{tool} ours"] = rendering(tool, ours, folder)
        for work in works.values():
            work()  # compiles what it imports
        took = in_turns(works, ROUNDS)
    rows = []
    for tool in ONE_FILE:
        floor, whole = took[f"{tool} small"], took[f"{tool} ours"]
        figures = (f"{floor:.2f}", f"{whole:.2f}", f"{whole / floor:.2f} x", f"< {AIM}")
        rows.append([tool, *figures])
    header = ["front end", "one file", "this template", "ratio", "aim"]
    show(f"Rendering, seconds, medians of {ROUNDS}", header, rows)


def rendering(tool: str, template: Path, folder: Path) -> Callable[[], float]:
    """Return a function that renders into a new folder and returns the seconds that took."""
    words: dict[str, list[str | Path]] = {
        "cookiecutter": ["--no-input", template, "--output-dir"],
        "copier": ["copy", "--quiet", "--defaults", "--vcs-ref", "HEAD", template],
    }
    command = [TOOLS / tool, *words[tool]]
    return lambda: seconds([*command, tempfile.mkdtemp(dir=folder)], folder)
