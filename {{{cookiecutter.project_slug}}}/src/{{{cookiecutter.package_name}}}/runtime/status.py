"""The champion and the last runs, as `make status` prints them."""

from datetime import UTC, datetime

import typer
from rich.console import Console
from rich.table import Column, Table

from . import room
from .config import Params
from .registry import registry, tracker
from .run.outcome import PastRun, history
from .wording import counted, listed, status_text

RUNS_SHOWN = 10
COLOURS = {"released": "green", "failed": "red", "quarantined": "red"}


def show(params: Params) -> None:
    """Print the champion and the last runs."""
    champion = registry.champion(params.model_name)
    runs = history(params.runs, newest=RUNS_SHOWN)
    if champion is None:
        typer.echo("No version is released yet: `make run` trains the first.")
    else:
        registered = registry.registered_at(params.model_name, champion.version)
        typer.echo(
            f"Champion: version {champion.version} of {params.model_name}, "
            f"evaluated on {champion.period}, registered {age(registered)} ago"
        )
        typer.echo(f"  {listed(champion.metrics)}")
        for run in runs:
            if run.run_id == champion.run_id and run.result and run.result.tracker_url:
                page = run.result.tracker_url
                when = " (while `make ui` runs)" if "127.0.0.1" in page else ""
                typer.echo(f"  {tracker.NAME}: {page}{when}")
    Console().print(table(runs, registry.rolled_back(params.model_name)))
    for number, run in enumerate(runs):
        later = {other.period for other in runs[number + 1 :] if other.result is not None}
        if run.result is None or (run.result.status == "failed" and run.period in later):
            continue  # another run of the period made the failure obsolete
        typer.echo(f"{run.run_id}: {run.result.reason}")


def table(runs: list[PastRun], rolled_back: set[str]) -> Table:
    """Return the table of runs, with their headline metric; some were rolled back."""
    ours = room.evaluation()
    run_column = Column("run", no_wrap=True, min_width=16)  # its id is copied from here
    columns = ("status", ours.HEADLINE_LABEL, "champion", "seconds", "data")
    table = Table(run_column, *columns, title="Last runs")
    for run in runs:
        result = run.result
        if result is None:
            table.add_row(run.run_id, "unfinished")
            continue
        headline = result.metrics.get(ours.HEADLINE)
        status, colour = status_text(result.status), COLOURS.get(result.status, "yellow")
        if run.run_id in rolled_back:
            status, colour = "rolled back", "yellow"
        table.add_row(
            run.run_id,
            f"[{colour}]{status}",
            "" if headline is None else f"{headline:.4f}",
            f"version {result.champion_after.version}" if result.champion_after else "",
            f"{result.seconds.get('all', 0):.1f}",
            (result.data_version or "")[:8],
        )
    return table


def age(since: datetime) -> str:
    """Return how long ago `since` was, in the largest unit that fits."""
    seconds = (datetime.now(UTC) - since).total_seconds()
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if (count := int(seconds // length)) > 0:
            return counted(count, unit)
    return "less than a minute"
