"""A second `dvc repro` with nothing changed, beside one of as many empty stages."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from .measuring import commit, in_turns, output, seconds, show

ROUNDS = 5
AIM = 1.5


def main(make_project: Callable[[], Path]) -> None:
    """Print the seconds of both."""
    project = make_project()
    dvc = project / ".venv/bin/dvc"
    output(["make", "repro"], project)
    stages = output([dvc, "stage", "list", "--name-only"], project).split()
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        bare = Path(made)
        chain(bare, len(stages))
        commit(bare)
        output([dvc, "init", "--quiet"], bare)
        output([dvc, "repro"], bare)
        took = in_turns(
            {
                "bare": lambda: seconds([dvc, "repro"], bare),
                "ours": lambda: seconds([dvc, "repro"], project),
            },
            ROUNDS,
        )
    row = [f"{took[which]:.2f}" for which in ("bare", "ours")]
    row += [f"{took['ours'] / took['bare']:.2f} x", f"< {AIM}"]
    header = ["stages", "empty stages", "this project", "ratio", "aim"]
    title = f"dvc repro with nothing changed, seconds, medians of {ROUNDS}"
    show(title, header, [[str(len(stages)), *row]])


def chain(folder: Path, count: int) -> None:
    """Write stages that each make an empty file, and depend on the one before."""
    lines = ["stages:"]
    for number in range(count):
        lines += [f"  s{number}:", f"    cmd: touch f{number}", f"    outs: [f{number}]"]
        lines += [f"    deps: [f{number - 1}]"] * (number > 0)
    (folder / "dvc.yaml").write_text("\n".join(lines) + "\n")
