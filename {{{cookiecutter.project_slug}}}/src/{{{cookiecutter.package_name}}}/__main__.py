"""The command line: `python -m {{{ cookiecutter.package_name }}} --help`.

Exit codes: 0 released, kept or nothing new; 3 quarantined; 2 refused input; 1 failed.
"""

import gc
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Column, Table

from . import preload
from .errors import BadInput
from .params import load_params
from .results import Result, history

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
console = Console()

RUNS_SHOWN = 10

Period = Annotated[str | None, typer.Option(help="A month, such as 2013-06; else the newest.")]


@app.command()
def run(period: Period = None) -> None:
    """Train on the months before a period, judge on the period, release what is better."""
    from .alerts import warn_without_targets
    from .plan import choose_months

    params = load_params()  # what is wrong is refused before a server starts
    choose_months(params, period, at=datetime.now(UTC))
    warn_without_targets(params)
    from {{{ cookiecutter.__adapter }}} import training

    preload.begin()
    end_with(lambda: [training(period)])


@app.command()
def backfill(
    first: Annotated[str, typer.Option(help="The first month.")],
    last: Annotated[str, typer.Option(help="The last month.")],
) -> None:
    """Retrain for each month of a range, in order."""
    from .alerts import warn_without_targets
    from .plan import plan_backfill

    params = load_params()
    plan_backfill(params, first, last)
    warn_without_targets(params)
    from {{{ cookiecutter.__adapter }}} import backfill

    preload.begin()
    end_with(lambda: backfill(first, last))


@app.command()
def step(name: Annotated[str, typer.Argument(help="One of the steps up to evaluate.")]) -> None:
    """Run one step of an experiment: what the stages of dvc.yaml call."""
    from .experiment import run_step

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run_step(load_params(), name)


@app.command()
def restore(version: Annotated[str, typer.Argument(help="A run, or a data version.")]) -> None:
    """Bring back the data that a run was trained on."""
    from .retention import restore

    folder = restore(load_params(), version)
    typer.echo(f"The data are in {folder}/: `source: {folder}` in params.yaml runs on them again.")


@app.command()
def prune(
    alone: Annotated[bool, typer.Option("--alone", help="Nobody else stores data there.")] = False,
) -> None:
    """Remove the data of all runs but those with a folder or a registered version."""
    from . import tracking
    from .retention import prune

    params = load_params()
    kept = prune(params, alone=alone)
    typer.echo(
        f"Kept the data of {len(kept)} run{'s' * (len(kept) > 1)}, which {params.runs} or the "
        f"registry at {tracking.address()} has; removed all others."
    )


@app.command()
def predict(period: Annotated[str, typer.Option(help="The month to score.")]) -> None:
    """Score a month with the champion and write Parquet."""
    from .steps.predict import predict

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    typer.echo(f"Wrote {predict(load_params(), period)}")


@app.command()
def rollback() -> None:
    """Make the previous version the champion again, and tell people."""
    from upath import UPath

    from .alerts import notify
    from .events import Event
    from .steps.release import rollback

    params = load_params()
    before, after = rollback(params)
    event = Event(
        kind="champion_changed",
        title=f"the champion is version {after.version} again",
        reason=f"Somebody rolled version {before.version} back",
        facts=[f"version {v.version}, of {v.period}: {listed(v.metrics)}" for v in (after, before)],
        period=after.period,
        run_id=after.run_id,
        rerun="make rollback",
        attempt=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}",
    )
    notify(event, UPath(params.runs))
    typer.echo(f"The champion is version {after.version} again; it was version {before.version}.")


@app.command()
def status() -> None:
    """Show the champion, and how the last runs ended."""
    from . import tracking

    params = load_params()
    champion = tracking.champion(params.model_name)
    if champion is None:
        typer.echo("No version is released yet: `make run` trains the first.")
    else:
        made = tracking.registered_at(params.model_name, champion.version)
        typer.echo(
            f"Champion: version {champion.version} of {params.model_name}, "
            f"judged on {champion.period}, registered {age(made)} ago"
        )
        typer.echo(f"  {listed(champion.metrics)}")
    run_column = Column("run", no_wrap=True, min_width=16)  # its id is to be copied from here
    columns = ("status", "AUC", "champion then", "seconds", "data")
    table = Table(run_column, *columns, title="Last runs")
    colours = {"released": "green", "failed": "red", "quarantined": "red"}
    runs = list(history(params.runs).items())[-RUNS_SHOWN:]
    for run_id, result in runs:
        if result is None:
            table.add_row(run_id, "unfinished")
            continue
        table.add_row(
            run_id,
            f"[{colours.get(result.status, 'yellow')}]{result.status}",
            f"{result.metrics['auc']:.4f}" if result.metrics else "",
            f"version {result.champion_after.version}" if result.champion_after else "",
            f"{result.seconds.get('all', 0):.1f}",
            (result.data_version or "")[:8],
        )
    console.print(table)
    for run_id, result in runs:
        if result is not None:
            typer.echo(f"{run_id}: {result.reason}")


@app.command()
def doctor() -> None:
    """See whether all that a run needs is there, on this machine and beyond."""
    from .doctor import examine

    ill = False
    for name, well, said in examine(load_params()):
        typer.secho(f"{'ok   ' if well else 'ERROR'} {name}: {said}", fg=None if well else "red")
        ill |= not well
    sys.exit(1 if ill else 0)


@app.command()
def alert_test() -> None:
    """Send a test alert to every target, however little it wants to know."""
    from .alerts import VARIABLE, send, targets
    from .events import Event

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    where = targets()
    if not where:
        raise BadInput(f"{VARIABLE} is not set: say in .env where alerts go, as .env.example does.")
    event = Event(
        kind="test",
        title="a test",
        reason="Somebody asked for it, to see whether alerts arrive here.",
        rerun="make alert-test",
    )
    arrived = send(event, where)
    for target, came in zip(where, arrived, strict=True):
        typer.echo(f"{'sent to' if came else 'NOT sent to'} {target}")
    sys.exit(0 if all(arrived) else 1)


@app.command()
def deploy_alert(
    outcome: Annotated[str, typer.Option(envvar="OUTCOME", help="success, or failure.")],
    environment: Annotated[str, typer.Option(envvar="ENVIRONMENT", help="Where to.")],
    image: Annotated[str, typer.Option(envvar="IMAGE", help="What was to be deployed.")],
    page: Annotated[str, typer.Option(envvar="PAGE", help="Where its log is.")] = "",
) -> None:
    """Tell people how a deploy ended; leave with 1 where somebody was not reached."""
    from .alerts import send, targets, warn_without_targets
    from .events import Event

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    done = outcome == "success"
    event = Event(
        kind="deployed" if done else "deploy_failed",
        title=f"{environment} {'has a new version' if done else 'was not deployed'}",
        reason=f"{'It is' if done else 'The log says what is there now. It was to be'} {image}",
        run_url=page or None,
        rerun=None if done else "start the workflow again",
    )
    warn_without_targets(load_params())
    arrived = send(event, [target for target in targets() if target.wants(event)])
    sys.exit(0 if all(arrived) else 1)


@app.command()
def deadlines(
    run_minutes: Annotated[
        float | None, typer.Option(help="How long a run may take, where nothing else looks.")
    ] = None,
    rerun: Annotated[
        str, typer.Option(help="How to run a month, {period}, as the alert says it.")
    ] = "make run PERIOD={period}",
) -> None:
    """See whether the month that is due has its champion; send an alert where it has none."""
    from .deadlines import check, check_jobs

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    params, now = load_params(), datetime.now(UTC)
    overdue = check_jobs(params, run_minutes, now) if run_minutes else []
    sys.exit(1 if check(params, now, rerun) or overdue else 0)


{% if cookiecutter.monitoring == "prometheus" %}
@app.command()
def monitor(
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen at; 0: one that is free.")] = 9101,
) -> None:
    """Serve the pipeline's metrics, and pass the alerts of the monitoring on."""
    from .monitor import serve

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: os._exit(0))  # nothing is left to be done
    serve(load_params(), host, port)


{% endif %}
def age(since: datetime) -> str:
    """Say how long ago `since` was, in the largest unit that fits."""
    seconds = (datetime.now(UTC) - since).total_seconds()
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if (count := int(seconds // length)) > 0:
            return f"{count} {unit}{'s' * (count > 1)}"
    return "less than a minute"


def listed(metrics: dict[str, float]) -> str:
    """Say metrics in one line."""
    return ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in metrics.items())


def leave_at_once(*_: object) -> NoReturn:
    """End at Ctrl-C, with all processes started from here.

    An orderly end would report to a server that the same Ctrl-C is ending, and wait for minutes.
    """
    typer.echo("\ninterrupted: the same command goes on where this run stopped.", err=True)
    with suppress(FileNotFoundError):
        subprocess.run(["pkill", "-KILL", "-P", str(os.getpid())], check=False)  # noqa: S603, S607
    os._exit(130)


def end_with(work: Callable[[], list[Result]]) -> NoReturn:
    """Do the work, say how it ended, and leave with the exit code of the worst run."""
    signal.signal(signal.SIGINT, leave_at_once)
    try:
        results = work()
    except BadInput:
        raise
    except Exception as error:  # noqa: BLE001 - whoever ran it has logged the traceback
        typer.echo(f"\nfailed: {error}\nThe same command goes on where this run stopped.", err=True)
        sys.exit(1)
    typer.echo()
    for result in results:
        typer.secho(f"{result.period} {result.status}: {result.reason}", bold=True)
        if result.metrics:
            typer.echo(f"  {listed(result.metrics)}")
        typer.echo(f"  {load_params().runs}/{result.run_id}/report.html")
    gc.freeze()  # else Python looks once more, for seconds, at all that the orchestrator has made
    sys.exit(3 if any(result.status == "quarantined" for result in results) else 0)


def main() -> None:
    """Run a command; refuse bad input with its one sentence."""
    gc.set_threshold(50_000)  # what imports make is no rubbish: look for it less often
    try:
        app()
    except BadInput as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
