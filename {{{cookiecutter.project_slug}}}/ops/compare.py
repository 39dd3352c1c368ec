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
from typing import Annotated

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
    """What the stages of dvc.yaml made of a commit."""

    metrics: dict[str, float]
    slices: dict[str, float]
    """The AUC of each part of the month that has one."""
    curves: dict[str, list[float]]
    """The heights of each curve at `POINTS`, between those that were measured."""
    data_version: str

    @classmethod
    def read(cls, folder: Path) -> "Experiment":
        """Read what the stages left in `experiment/`.

        Raises:
            BadInput: a file is missing, or is another than this code knows.
        """
        experiment = folder / "experiment"
        try:
            metrics, version, evaluation = (
                json.loads((experiment / f"{name}.json").read_bytes())
                for name in ("metrics", "version", "evaluation")
            )
            slices = {
                f"{part['by']} {part['value']}": part["auc"]
                for part in evaluation["slices"]
                if part["auc"] is not None
            }
            curves = {name: curve(experiment / f"curves/{name}.csv", name) for name in CURVES}
            return cls(metrics, slices, curves, version["data_version"])
        except (OSError, KeyError, ValueError, pl.exceptions.PolarsError) as error:
            raise BadInput(f"what {experiment} holds cannot be compared: {error}.") from error


def curve(file: Path, name: str) -> list[float]:
    """Return the heights of a curve at `POINTS`."""
    _, x, y = CURVES[name]
    points = pl.read_csv(file).sort(x, y)
    heights = np.interp(POINTS, points[x].to_numpy(), points[y].to_numpy())
    return [round(float(height), 4) for height in heights]


@app.command()
def compare(
    base: Annotated[str, typer.Option(help="A commit, branch or tag.")],
    period: Annotated[str, typer.Option(help="The month to judge on.")] = "",
    name: Annotated[
        str, typer.Option(envvar="BASE_NAME", help="What the page calls it, if not by `base`.")
    ] = "",
) -> None:
    """Run the experiment on both, and write the comparison to standard output.

    Where it fails on the other commit, this one is shown alone: it may be what repairs it.
    """
    period, label = period or load_params().experiment.period, name or base
    commits = {"base": commit(base), "here": commit(git("stash", "create") or "HEAD")}
    after = run("here", commits["here"], period)
    lines = [f"## {period}: this change against {label}", ""]
    try:
        before = run("base", commits["base"], period)
    except BadInput as error:
        before = None
        lines += [f"**There is no comparison**: on {label}, {error}", ""]
    changed = git("diff", *commits.values(), "--", "params.yaml", "dvc.yaml")
    typer.echo("\n".join([*lines, *page(label, before, after), *difference(changed)]))
    shutil.rmtree(CLONES)  # each has an environment


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
        raise BadInput(f"the experiment failed on {of[:12]}, as the log says.")
    return Experiment.read(folder)


def page(base: str, before: Experiment | None, after: Experiment) -> list[str]:
    """Return the lines that compare two experiments, or show one."""
    lines = table("metric", base, before.metrics if before else {}, after.metrics)
    data = f"`{after.data_version[:12]}`"
    if before and before.data_version != after.data_version:
        lines += ["", f"**The data differ**: {data}, and before, `{before.data_version[:12]}`."]
    else:
        lines += ["", f"The data are {data}."]
    for name, (title, x, y) in CURVES.items():
        lines += ["", f"### {title}", ""]
        lines += chart(x, y, before.curves[name] if before else None, after.curves[name])
    if before:
        lines += ["", f"Grey is {base}, blue is this change."]
    lines += ["", "<details><summary>AUC by slice</summary>", ""]
    lines += table("slice", base, before.slices if before else {}, after.slices)
    lines += ["", "</details>"]
    return lines


def difference(changed: str) -> list[str]:
    """Return the lines that show what changed in the parameters and the stages, if anything did."""
    if not changed:
        return []
    summary = "<summary>Changed parameters and stages</summary>"
    return ["", f"<details>{summary}", "", "```diff", changed, "```", "", "</details>"]


def table(title: str, base: str, old: dict[str, float], new: dict[str, float]) -> list[str]:
    """Return a table of numbers that both have, and of those that one has."""
    lines = [f"| {title} | {base} | here | difference |", "|---|--:|--:|--:|"]
    for name in dict.fromkeys([*old, *new]):
        cells = [f"{numbers[name]:.4f}" if name in numbers else "" for numbers in (old, new)]
        gain = f"{new[name] - old[name]:+.4f}" if name in old and name in new else ""
        lines.append(f"| {name.replace('_', ' ')} | {cells[0]} | {cells[1]} | {gain} |")
    return lines


def chart(x: str, y: str, old: list[float] | None, new: list[float]) -> list[str]:
    """Return the curves as a chart of Mermaid, which GitHub draws in a summary."""
    palette = ", ".join([GREY, BLUE] if old else [BLUE])
    colours = json.dumps({"themeVariables": {"xyChart": {"plotColorPalette": palette}}})
    return [
        "```mermaid",
        f"%%{{init: {colours}}}%%",
        "xychart-beta",
        f'  x-axis "{x.replace("_", " ")}" 0 --> 1',
        f'  y-axis "{y.replace("_", " ")}" 0 --> 1',
        *[f"  line {heights}" for heights in (old, new) if heights],
        "```",
    ]


if __name__ == "__main__":
    try:
        app()
    except BadInput as error:
        sys.exit(f"error: {error}")
