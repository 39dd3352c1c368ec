"""The command: refuse what is not usable, then write everything at once."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from {{{ cookiecutter.package_name }}}.runtime.config import load_params
from {{{ cookiecutter.package_name }}}.runtime.errors import exit_if_refused
from {{{ cookiecutter.package_name }}}.runtime.periods import CADENCE, periods_between
{% if cookiecutter.source == "sql" %}
from {{{ cookiecutter.package_name }}}.runtime.source.sql import is_database
{% endif %}

from . import {{{ 'database, ' if cookiecutter.source == 'sql' else '' }}}draft, project
from .profile import Profile, profile
from .table import read

LARGE = 5
"""Megabytes that are many for a git repository."""

TAKE_BACK = (
    "To take one back that is known before, move it from KNOWN_AFTERWARDS in tables.py to NUMERIC "
    "or CATEGORICAL in model.py."
)

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def adopt(
    table: Annotated[str, typer.Option(help="{{{ 'A CSV or Parquet file, or a table of the source.' if cookiecutter.source == 'sql' else 'A CSV or Parquet file.' }}}")],
    time: Annotated[str, typer.Option(help="The column that says when.")],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    zone: Annotated[str, typer.Option(help="The time zone of the column of time.")] = "",
    problem: Annotated[
        Literal["binary", "regression"] | None, typer.Option(help="By default, as the target is.")
    ] = None,
) -> None:
    """Draft the team's modules from a table, in place of the sample's."""
    params, file = load_params(), Path(table).expanduser()
{% if cookiecutter.source == "sql" %}
    in_source = not file.is_file() and is_database(params.source)
    project.check_unedited(None if in_source else file)
    whole = database.read(table, time, zone, params) if in_source else read(file, time, zone)
{% else %}
    project.check_unedited(file)
    whole = read(file, time, zone)
{% endif %}
    found = profile(whole, target, problem, params.window)
    with project.replacing() as staging:
        draft.write(found, staging)
    for line in [*summary(found), size_of_small(), *kept_data()]:
        typer.echo(line)


def summary(found: Profile) -> list[str]:
    """Return what was found and written, and what a person has to decide."""
    table, unit = found.table, CADENCE.unit
    first, last = table.periods[0], table.periods[-1]
    gaps = len(periods_between(first, last)) - len(table.periods)
    without = f"; {gaps} between have no rows" if gaps else ""
    where = "the query" if table.query else "the data in data/source/"
    return [
        f"{table.name}: {table.rows.height:,} rows in {len(table.periods)} whole {unit}s, "
        f"{first} to {last}{without}.",
        *filter(None, [table.said]),
        *(f"Left out: {period}, which is not whole." for period in table.incomplete),
        f"Predicts: {found.predicts}. Key: {', '.join(found.key)}.",
        *(
            f"Looks like a leak, so not a feature: {name}, {why}."
            for name, why in found.leaks.items()
        ),
        *([TAKE_BACK] if found.leaks else []),
        *(f"Not used by the model: {name}, {why}." for name, why in found.unused.items()),
        f"Drafted: your six modules, their tests, params.yaml, and {where}.",
        "Next: docs/make-it-yours.md. A column that is known only afterwards belongs to "
        "KNOWN_AFTERWARDS in tables.py.",
    ]


def size_of_small() -> str:
    """Return how large the data are that belong into git, and what to do where that is much."""
    files = [path for path in project.SMALL.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    much = ": much for git, so keep fewer columns or periods" if size > LARGE else ""
    return f"For the tests and CI: {project.SMALL}, {size:.1f} MB to commit{much}."


def kept_data() -> list[str]:
    """Return where the data are that were replaced."""
    return [
        f"Kept: {path}, the data until now. Delete it when you like."
        for path in project.KEPT.values()
        if path.exists()
    ]


if __name__ == "__main__":
    with exit_if_refused():
        app()
