"""The experiment of dvc.yaml on another commit and as it is here: what `make compare` calls.

Both are run in clones of their own in `.compare/`, with an empty tracker, so that nothing is
released and nothing here changes. The comparison is Markdown, as a pull request shows it.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import typer

from {{{ cookiecutter.package_name }}}.errors import BadInput
from {{{ cookiecutter.package_name }}}.params import load_params

CLONES = Path(".compare")
POINTS = np.linspace(0, 1, 21)
CURVES = {
    "roc": ("ROC", "false_positive_rate", "true_positive_rate"),
    "precision_recall": ("Precision and recall", "recall", "precision"),
}
GREY, BLUE = "#8c959f", "#1f6feb"
# What leads elsewhere: to the team's tracker, its alerts, another repository or environment.
ELSEWHERE = ("ALERT_", "GIT_", "MLFLOW_", "VIRTUAL_ENV")

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@dataclass(frozen=True)
class Experiment:
    """What the stages of dvc.yaml made in a clone."""

    folder: Path

    def read(self, name: str) -> Any:
        """Return one of its JSON files."""
        return json.loads((self.folder / "experiment" / name).read_bytes())

    def slices(self) -> dict[tuple[str, str], float | None]:
        """Return the AUC of each part of the month."""
        parts = self.read("evaluation.json")["slices"]
        return {(part["by"], part["value"]): part["auc"] for part in parts}

    def curve(self, name: str) -> list[float]:
        """Return the heights of a curve at `POINTS`, between those that were measured."""
        _, x, y = CURVES[name]
        points = pl.read_csv(self.folder / f"experiment/curves/{name}.csv").sort(x, y)
        heights = np.interp(POINTS, points[x].to_numpy(), points[y].to_numpy())
        return [round(float(height), 4) for height in heights]


@app.command()
def compare(
    base: Annotated[str, typer.Option(help="A commit, branch or tag.")],
    period: Annotated[str, typer.Option(help="The month to judge on.")] = "",
) -> None:
    """Run the experiment on both, and write the comparison to standard output."""
    period = period or load_params().experiment.period
    commits = {"base": commit(base), "here": commit(git("stash", "create") or "HEAD")}
    before, after = (run(name, of, period) for name, of in commits.items())
    changed = git("diff", commits["base"], commits["here"], "--", "params.yaml", "dvc.yaml")
    typer.echo("\n".join(page(base, period, before, after, changed)))


def git(*words: str) -> str:
    """Return what a command of git's says; leave where it fails."""
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)  # noqa: S603, S607
    if done.returncode:
        sys.exit(f"error: `git {' '.join(words)}` failed: {done.stderr.strip()}")
    return done.stdout.strip()


def commit(name: str) -> str:
    """Return the full id of a commit.

    Raises:
        BadInput: there is none of this name.
    """
    words = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
    found = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603
    if found.returncode:
        raise BadInput(f"There is no commit {name!r}: fetch it, or name another as in BASE=main.")
    return found.stdout.strip()


def run(name: str, of: str, period: str) -> Experiment:
    """Run the experiment for a month on a commit, in a new clone.

    The data are taken from here where params.yaml of the commit names a folder of the project.
    """
    folder = CLONES / name
    shutil.rmtree(folder, ignore_errors=True)
    git("clone", "--quiet", "--shared", "--no-checkout", ".", str(folder))
    git("-C", str(folder), "checkout", "--quiet", "--detach", of)
    if Path("data/source").is_dir():
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data/source").symlink_to(Path("data/source").resolve())
    kept = {name: text for name, text in os.environ.items() if not name.startswith(ELSEWHERE)}
    make = ["make", "--directory", str(folder), "--no-print-directory", "repro"]
    # What it prints is no part of the page.
    done = subprocess.run(  # noqa: S603
        [*make, f"PERIOD={period}"], env=kept, stdout=sys.stderr, check=False
    )
    if done.returncode:
        sys.exit(f"error: the experiment failed on {name}, {of[:12]}: see above.")
    return Experiment(folder)


def page(base: str, period: str, before: Experiment, after: Experiment, changed: str) -> list[str]:
    """Return the lines of the comparison."""
    lines = [f"## {period}: this change against {base}", ""]
    lines += table("metric", base, before.read("metrics.json"), after.read("metrics.json"))
    data = [one.read("version.json")["data_version"] for one in (before, after)]
    if data[0] == data[1]:
        lines += ["", f"Both are on the same data, `{data[0][:12]}`."]
    else:
        lines += ["", f"**The data differ**: `{data[0][:12]}` and `{data[1][:12]}`."]
    for name, (title, x, y) in CURVES.items():
        lines += ["", f"### {title}", ""]
        lines += chart(x, y, before.curve(name), after.curve(name))
    lines += ["", f"Grey is {base}, blue is this change."]
    slices = {
        f"{by} {value}": (auc, after.slices().get((by, value)))
        for (by, value), auc in before.slices().items()
    }
    lines += ["", "<details><summary>AUC by slice</summary>", ""]
    lines += table(
        "slice",
        base,
        {name: old for name, (old, _) in slices.items() if old is not None},
        {name: new for name, (_, new) in slices.items() if new is not None},
    )
    lines += ["", "</details>"]
    if changed:
        lines += ["", "<details><summary>Changed parameters and stages</summary>", ""]
        lines += ["```diff", changed, "```", "", "</details>"]
    return lines


def table(title: str, base: str, old: dict[str, float], new: dict[str, float]) -> list[str]:
    """Return a table of numbers that both have, and of those that one has."""
    lines = [f"| {title} | {base} | here | difference |", "|---|--:|--:|--:|"]
    for name in dict.fromkeys([*old, *new]):
        cells = [f"{numbers[name]:.4f}" if name in numbers else "" for numbers in (old, new)]
        gain = f"{new[name] - old[name]:+.4f}" if name in old and name in new else ""
        lines.append(f"| {name.replace('_', ' ')} | {cells[0]} | {cells[1]} | {gain} |")
    return lines


def chart(x: str, y: str, old: list[float], new: list[float]) -> list[str]:
    """Return two curves as a chart of Mermaid, which GitHub draws in a summary."""
    colours = json.dumps({"themeVariables": {"xyChart": {"plotColorPalette": f"{GREY}, {BLUE}"}}})
    return [
        "```mermaid",
        f"%%{{init: {colours}}}%%",
        "xychart-beta",
        f'  x-axis "{x.replace("_", " ")}" 0 --> 1',
        f'  y-axis "{y.replace("_", " ")}" 0 --> 1',
        f"  line {old}",
        f"  line {new}",
        "```",
    ]


if __name__ == "__main__":
    try:
        app()
    except BadInput as error:
        sys.exit(f"error: {error}")
