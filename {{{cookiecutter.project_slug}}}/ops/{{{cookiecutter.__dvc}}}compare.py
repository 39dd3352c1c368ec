"""Compare the experiment of dvc.yaml with that of another commit: `make compare`.

Both run in clones of their own in `.compare/`, with an empty tracker, so that nothing is released
and nothing here changes. The comparison is Markdown, as a pull request shows it.
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
import yaml

from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.config import load_params
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput, exit_if_refused
from {{{ cookiecutter.package_name }}}.runtime.registry import tracker
from {{{ cookiecutter.package_name }}}.runtime.results import Evaluation, Snapshot
{% if cookiecutter.source == "sql" %}
from {{{ cookiecutter.package_name }}}.runtime.source.sql import VARIABLE, configured_url
{% endif %}

from .git import diff, git

CLONES = Path(".compare")
POINTS_IN_CHART = 21
GREY, BLUE = "#8c959f", "#1f6feb"
# Variables that lead to the team's tracker or alerts, or to another repository or environment.
ELSEWHERE = ("ALERT_", "GIT_", "{{{ [cookiecutter.tracker | upper, cookiecutter.__registry_variable.split('_')[0]] | unique | join('_", "') }}}_", "VIRTUAL_ENV")

# DVC commits in them, also where git has no name, no key, or hooks that fail.
IN_CLONES = {
    "user.name": "compare",
    "user.email": "compare@localhost",
    "commit.gpgSign": "false",
    "core.hooksPath": "/dev/null",
}

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@dataclass(frozen=True)
class Experiment:
    """The results of the stages of dvc.yaml on a commit."""

    metrics: dict[str, float]
    slices: dict[str, float]
    """The headline metric of each slice that has one."""
    curves: dict[str, pl.DataFrame]
    """The points of each curve, x in the first column, y in the second."""
    data_version: str

    @classmethod
    def read(cls, folder: Path) -> "Experiment":
        """Read the results below a project's folder.

        Raises:
            BadInput: a file is missing, or has another format than this code reads.
        """
        files, headline = folder / "experiment", room.evaluation().HEADLINE
        try:
            evaluation = Evaluation.model_validate_json((files / "evaluation.json").read_bytes())
            snapshot = Snapshot.model_validate_json((files / "snapshot.json").read_bytes())
            curves = {file.stem: pl.read_csv(file) for file in sorted(files.glob("curves/*.csv"))}
        except (OSError, ValueError, pl.exceptions.PolarsError) as error:
            raise BadInput(f"the results in {files} cannot be read: {error}.") from error
        slices = {
            f"{part.by} {part.value}": part.metrics[headline]
            for part in evaluation.slices
            if headline in part.metrics
        }
        return cls(evaluation.metrics, slices, curves, snapshot.data_version)


@app.command()
def compare(
    base: Annotated[str, typer.Option(help="A commit, branch or tag.")],
    period: Annotated[str, typer.Option(help="The period to evaluate on.")] = "",
    name: Annotated[
        str, typer.Option(envvar="BASE_NAME", help="Its name on the page; by default `base`.")
    ] = "",
) -> None:
    """Run the experiment on both, and print the comparison.

    Where it fails on the other commit, this one is shown alone: it may contain the repair.
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
    changed = diff(*commits.values(), "--", "params.yaml", "dvc.yaml")
    typer.echo("\n".join([*lines, *page(label, before, after), *diff_lines(changed)]))
    shutil.rmtree(CLONES)  # each has an environment


def commit(name: str) -> str:
    """Return the full id of a commit.

    Raises:
        BadInput: there is no such commit.
    """
    git("rev-parse", "--git-dir")  # else a repository that git refuses would seem to lack it
    try:
        return git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    except BadInput:
        raise BadInput(
            f"There is no commit {name!r}: fetch it, or name another as in BASE=main."
        ) from None


def clone(name: str, of: str) -> Path:
    """Return the project's folder in a new clone of the repository, on a commit.

    The clone borrows all objects, also those that no branch names, as the changes here.

    Raises:
        BadInput: git fails, or the commit has no such project.
    """
    folder, project = CLONES / name, git("rev-parse", "--show-prefix")
    shutil.rmtree(folder, ignore_errors=True)
    git("init", "--quiet", str(folder))
    objects, shallow = (
        Path(git("rev-parse", "--git-path", what)) for what in ("objects", "shallow")
    )
    (folder / ".git/objects/info/alternates").write_text(f"{objects.resolve()}\n", encoding="utf-8")
    if shallow.exists():
        shutil.copy(shallow, folder / ".git")
    for key, value in IN_CLONES.items():
        git("-C", str(folder), "config", key, value)
    git("-C", str(folder), "checkout", "--quiet", "--detach", of)
    if not (folder / project / "params.yaml").exists():
        raise BadInput(f"{of[:12]} has no project in {project or 'its root'}.")
    return folder / project


def run(name: str, of: str, period: str) -> Experiment:
    """Return the results of the experiment for a period on a commit, run in a new clone.

    Raises:
        BadInput: there is no such clone, or the experiment fails.
    """
    folder = clone(name, of)
    link_source(folder)
    kept = {name: text for name, text in os.environ.items() if not name.startswith(ELSEWHERE)}
{% if cookiecutter.source == "sql" %}
    # The clone has no .env.
    kept |= {VARIABLE: url} if (url := configured_url()) else {}
{% endif %}
{% if cookiecutter.tracker == "wandb" %}
    kept |= {"WANDB_MODE": "offline"}  # also with the key of `wandb login`
{% endif %}
    make = ["make", "--directory", str(folder), "--no-print-directory", "repro"]
    # Its output goes to the log, not to the page.
    done = subprocess.run(  # noqa: S603
        [*make, f"PERIOD={period}"], env=kept, stdout=sys.stderr, check=False
    )
    if done.returncode:
        raise BadInput(f"the experiment failed on {of[:12]}; the log above says why.")
    return Experiment.read(folder)


def link_source(clone: Path) -> None:
    """Link the source of a clone to the one here, where it is a folder that git does not keep."""
    # As text: the parameters of another commit need not be valid here.
    params = yaml.safe_load((clone / "params.yaml").read_text(encoding="utf-8"))
    source = os.environ.get("SOURCE") or str(params.get("source", load_params().source))
    source = source.removeprefix("sqlite:///")
    here, there = Path(source), clone / source
    if "://" not in source and here.exists() and not there.exists():
        there.parent.mkdir(parents=True, exist_ok=True)
        there.symlink_to(here.resolve())


def page(base: str, before: Experiment | None, after: Experiment) -> list[str]:
    """Return the lines that compare two experiments, or show one."""
    ours = room.evaluation()
    lines = table("metric", base, before.metrics if before else {}, after.metrics, {ours.HEADLINE})
    data = f"`{after.data_version[:12]}`"
    if before and before.data_version != after.data_version:
        lines += ["", f"**The data differ**: {data}, and before, `{before.data_version[:12]}`."]
    else:
        lines += ["", f"The data version is {data}."]
    lines += ["", f"{tracker.NAME} has these runs in `.compare/` alone, not among the team's."]
    for name, points in after.curves.items():
        lines += ["", f"### {spaced(name)}", ""]
        lines += chart(before.curves.get(name) if before else None, points)
    if before and after.curves:
        lines += ["", f"Grey is {base}, blue is this change."]
    title = f"{ours.HEADLINE_LABEL} by slice"
    lines += ["", f"<details><summary>{title}</summary>", ""]
    lines += table("slice", base, before.slices if before else {}, after.slices, {*after.slices})
    lines += ["", "</details>"]
    return lines


def diff_lines(changed: str) -> list[str]:
    """Return the lines that show a diff of the parameters and the stages, if there is one."""
    if not changed:
        return []
    summary = "<summary>Changed parameters and stages</summary>"
    return ["", f"<details>{summary}", "", "```diff", changed, "```", "", "</details>"]


def table(
    title: str, base: str, old: dict[str, float], new: dict[str, float], headline: set[str]
) -> list[str]:
    """Return a table of the numbers of both, and of those that only one has.

    Args:
        title: the heading of the first column.
        base: the heading of the second column.
        old: the numbers by name, before.
        new: the same, after.
        headline: names of the headline metric, whose direction is known.
    """
    lines = [f"| {title} | {base} | here | difference |", "|---|--:|--:|--:|"]
    for name in dict.fromkeys([*old, *new]):
        cells = [f"{numbers[name]:.4f}" if name in numbers else "" for numbers in (old, new)]
        cells.append(change(old.get(name), new.get(name), headline=name in headline))
        lines.append(f"| {spaced(name)} | {' | '.join(cells)} |")
    return lines


def change(old: float | None, new: float | None, *, headline: bool) -> str:
    """Return how much a number changed; of the headline metric, also whether that is better."""
    if old is None or new is None:
        return ""
    by = round(new - old, 4)
    if not headline or by == 0:
        return f"{by:+.4f}"
    return f"{by:+.4f}, {'better' if (by > 0) == room.evaluation().HIGHER_IS_BETTER else 'worse'}"


def chart(old: pl.DataFrame | None, new: pl.DataFrame) -> list[str]:
    """Return a curve before and after as a Mermaid chart, which Markdown pages draw."""
    curves = [curve for curve in (old, new) if curve is not None]
    (x_start, x_end), (y_start, y_end) = (
        axis([curve.to_series(column) for curve in curves]) for column in (0, 1)
    )
    palette = ", ".join([GREY, BLUE][-len(curves) :])
    colours = json.dumps({"themeVariables": {"xyChart": {"plotColorPalette": palette}}})
    x, y = new.columns[:2]
    return [
        "```mermaid",
        f"%%{{init: {colours}}}%%",
        "xychart-beta",
        f'  x-axis "{spaced(x)}" {x_start:.4g} --> {x_end:.4g}',
        f'  y-axis "{spaced(y)}" {y_start:.4g} --> {y_end:.4g}',
        *[f"  line {heights(curve, x_start, x_end)}" for curve in curves],
        "```",
    ]


def axis(columns: list[pl.Series]) -> tuple[float, float]:
    """Return the range of an axis that shows all values of some columns."""
    values = np.concatenate([column.to_numpy() for column in columns])
    start, end = float(np.nanmin(values)), float(np.nanmax(values))
    return (start, end) if start < end else (start - 0.5, start + 0.5)


def heights(curve: pl.DataFrame, start: float, end: float) -> list[float]:
    """Return the interpolated heights of a curve at equal distances along the x axis."""
    x, y = curve.columns[:2]
    points = curve.sort(x, y)
    grid = np.linspace(start, end, POINTS_IN_CHART)
    return [float(f"{height:.4g}") for height in np.interp(grid, points[x], points[y])]


def spaced(name: str) -> str:
    """Return a name in words: `false_positive_rate` as `false positive rate`."""
    return name.replace("_", " ")


if __name__ == "__main__":
    with exit_if_refused():
        app()
