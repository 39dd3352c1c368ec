"""The command: refuse what is not usable, then write everything at once."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from {{{ cookiecutter.package_name }}}.runtime.config import load_params
from {{{ cookiecutter.package_name }}}.runtime.errors import exit_if_refused
from {{{ cookiecutter.package_name }}}.runtime.periods import CADENCE, periods_between

from . import draft, project
from .profile import Profile, profile
from .table import read

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def adopt(
    table: Annotated[Path, typer.Option(help="A CSV or Parquet file.")],
    time: Annotated[str, typer.Option(help="The column that says when.")],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    zone: Annotated[str, typer.Option(help="The time zone of the column of time.")] = "",
    problem: Annotated[
        Literal["binary", "regression"] | None, typer.Option(help="By default, as the target is.")
    ] = None,
) -> None:
    """Draft the team's modules from a table, in place of the sample's."""
    params = load_params()
    project.check_unedited()
    found = profile(read(table.expanduser(), time, zone), target, problem, params.window)
    with project.replacing() as staging:
        draft.write(found, staging)
    for line in summary(found):
        typer.echo(line)


def summary(found: Profile) -> list[str]:
    """Return what was found and written, and what a person has to decide."""
    table, unit = found.table, CADENCE.unit
    first, last = table.periods[0], table.periods[-1]
    gaps = len(periods_between(first, last)) - len(table.periods)
    without = f"; {gaps} between have no rows" if gaps else ""
    return [
        f"{table.name}: {table.rows.height:,} rows in {len(table.periods)} whole {unit}s, "
        f"{first} to {last}{without}.",
        *(f"Left out: {period}, which is not whole." for period in table.incomplete),
        f"Predicts: {found.predicts}. Key: {', '.join(found.key)}.",
        *(
            f"Looks like a leak, so not a feature: {name}, {why}."
            for name, why in found.leaks.items()
        ),
        *(f"Not used by the model: {name}, {why}." for name, why in found.unused.items()),
        "Drafted: your six modules, their tests, params.yaml, and the data in data/source/.",
        "Next: docs/make-it-yours.md. A column that is known only afterwards belongs to "
        "KNOWN_AFTERWARDS in tables.py.",
    ]


if __name__ == "__main__":
    with exit_if_refused():
        app()
