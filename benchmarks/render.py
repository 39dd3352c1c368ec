"""Rendering through each door, beside the same engine rendering a template of one file."""

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
    """Print the seconds of both doors; templates are clones, as their users have them."""
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        folder = Path(made)
        ours = folder / "ours"
        output(["git", "clone", "--quiet", ROOT, ours], folder)
        works = {}
        for door, files in ONE_FILE.items():
            small = folder / f"small-{door}"
            for name, content in files.items():
                (small / name).parent.mkdir(parents=True, exist_ok=True)
                (small / name).write_text(content)
            commit(small)
            works[f"{door} small"] = rendering(door, small, folder)
            works[f"{door} ours"] = rendering(door, ours, folder)
        for work in works.values():
            work()  # compiles what it imports
        took = in_turns(works, ROUNDS)
    rows = []
    for door in ONE_FILE:
        floor, whole = took[f"{door} small"], took[f"{door} ours"]
        figures = (f"{floor:.2f}", f"{whole:.2f}", f"{whole / floor:.2f} x", f"< {AIM}")
        rows.append([door, *figures])
    header = ["door", "one file", "this template", "ratio", "aim"]
    show(f"Rendering, seconds, medians of {ROUNDS}", header, rows)


def rendering(door: str, template: Path, folder: Path) -> Callable[[], float]:
    """Return what renders a template into a new folder at each call, and how long it took."""
    words: dict[str, list[str | Path]] = {
        "cookiecutter": ["--no-input", template, "--output-dir"],
        "copier": ["copy", "--quiet", "--defaults", "--vcs-ref", "HEAD", template],
    }
    command = [TOOLS / door, *words[door]]
    return lambda: seconds([*command, tempfile.mkdtemp(dir=folder)], folder)
