"""The command line: `python -m {{{ cookiecutter.package_name }}} --help`.

Exit codes: 0 released, kept or nothing new; 3 quarantined; 2 refused input; 1 failed.
"""

import atexit
import gc
import getpass
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from . import proxies
from .errors import BadInput, Unavailable, exit_if_refused, is_unavailable, one_line
from .periods import EXAMPLE
from .wording import {{{ 'counted, ' if cookiecutter.versioning == 'dvc' else '' }}}listed, status_text

if TYPE_CHECKING:
    from .config import Params
    from .results import Result

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)

RESUME = (
    "To resume this run, give the same command again. After a change of code or parameters, it "
    "starts a new run."
)

Period = Annotated[str | None, typer.Option(help=f"Such as {EXAMPLE}; by default the newest.")]


@app.command()
def run(period: Period = None) -> None:
    """Train on the periods before a period, evaluate on the period, release what is better."""
    from .notify.targets import warn_without_targets
    from .run.plan import choose_periods
    from .source.address import source_of

    params = read_params()  # input errors are reported before a server starts
    choose_periods(params, source_of(params).periods(), period, at=datetime.now(UTC))
    check_folder(params)
    check_tracker()
    warn_without_targets(params)
    collect_less_garbage()
    from ops.local import training

    exit_with(lambda: [training(period)])


@app.command()
def backfill(
    first: Annotated[str, typer.Option(help="The first period.")],
    last: Annotated[str, typer.Option(help="The last period.")],
) -> None:
    """Run the pipeline for each period of a range, in order."""
    from .notify.targets import warn_without_targets
    from .run.plan import plan_backfill

    params = read_params()
    plan_backfill(params, first, last)
    check_folder(params)
    check_tracker()
    warn_without_targets(params)
    collect_less_garbage()
    from ops.local import backfill

    exit_with(lambda: backfill(first, last))


{% if cookiecutter.versioning == "dvc" %}
@app.command()
def step(
    name: Annotated[str, typer.Argument(help="One of the steps up to evaluate, or of yours.")],
) -> None:
    """Run one step of an experiment; the stages of dvc.yaml call this."""
    from .steps.experiment import run_step

    log_to_screen()
    run_step(read_params(), name)


{% endif %}
{% if cookiecutter.tracker == "wandb" %}
@app.command()
def sync() -> None:
    """Upload to W&B what was logged offline."""
    from .registry.wandb_client import upload

    typer.echo(upload())


{% endif %}
@app.command()
def report(run: Annotated[str, typer.Option(help="The run's id.")]) -> None:
    """Draw the report of a finished run again."""
    from upath import UPath

    from .registry.retention import is_pruned
    from .run import Run
    from .run.outcome import completed_result
    from .steps.report import draw

    folder = UPath(read_params().runs) / run
    found = Run(run_id=run, period="", folder=str(folder.absolute()))
    result = completed_result(found) if run else None
    if result is None:
        raise BadInput(f"{run!r} is not a finished run: `make status` lists the runs.")
    if is_pruned(folder):
        raise BadInput(
            f"The files of {run} were removed, as `keep_runs` in params.yaml says: its last report "
            f"is {folder}/report.html."
        )
    draw(found, result)
    typer.echo(f"{folder}/report.html")


{% if cookiecutter.versioning == "dvc" %}
@app.command()
def restore(version: Annotated[str, typer.Argument(help="A run, or a data version.")]) -> None:
    """Restore the data that a run was trained on."""
    from .registry.kept_data import restore

    check_registry()
    folder = restore(read_params(), version)
    typer.echo(f"The data are in {folder}/: `source: {folder}` in params.yaml runs on them.")


@app.command()
def prune(
    alone: Annotated[bool, typer.Option("--alone", help="Nobody else stores data there.")] = False,
) -> None:
    """Remove the snapshots of all runs without a directory or a registered version."""
    from .registry.kept_data import prune

    check_registry()
    params = read_params()
    kept = prune(params, alone=alone)
    typer.echo(f"Kept the data of {counted(len(kept), 'run')} and removed all others.")
{% else %}
@app.command()
def prune() -> None:
    """Remove the cached files that no run in the folder of runs needs."""
    from .registry.retention import prune_cache

    prune_cache(read_params())
    typer.echo("Removed the cached files that no run needs.")
{% endif %}


@app.command()
def predict(period: Annotated[str, typer.Option(help="The period to score.")]) -> None:
    """Score a period with the champion and write Parquet."""
    from .steps.predict import predict

    log_to_screen()
    check_registry()
    typer.echo(f"Wrote {predict(read_params(), period)}")


@app.command()
def rollback() -> None:
    """Make the previous version the champion again, and send an alert."""
    from upath import UPath

    from .notify.alerts import notify
    from .notify.events import Event
    from .steps.release import rollback

    params = read_params()
    check_registry()
    before, after = rollback(params.model_name, UPath(params.runs))
    event = Event(
        kind="champion_changed",
        title=f"the champion is version {after.version} again",
        reason=f"Version {before.version} was rolled back by hand",
        facts=[f"version {v.version}, of {v.period}: {listed(v.metrics)}" for v in (after, before)],
        period=after.period,
        run_id=after.run_id,
        rerun="make rollback",
        attempt=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}",
    )
    notify(event, UPath(params.runs))
    typer.echo(f"The champion is version {after.version} again; it was version {before.version}.")


@app.command()
def import_champion(
    run: Annotated[str | None, typer.Option(help="Its run; by default the last one.")] = None,
) -> None:
    """Carry the champion over to an empty registry, after a change of the tracker."""
    from .steps.import_champion import import_champion

    log_to_screen()
    check_tracker()
    champion = import_champion(read_params(), run)
    typer.echo(f"The champion is version {champion.version}, of {champion.period}.")


@app.command()
def status() -> None:
    """Show the champion and the last runs."""
    from .status import show

    params = read_params()
    check_registry()
    show(params)


@app.command()
def doctor() -> None:
    """Check that this machine and its services have all that a run needs."""
    from .monitor.doctor import examine
    from .monitor.machine import Remark

    failed = False
    for name, passed, message in examine(read_params()):
        good = "note " if isinstance(message, Remark) else "ok   "
        colour = None if passed else "red"
        typer.secho(f"{good if passed else 'ERROR'} {name}: {message}", fg=colour)
        failed |= not passed
    sys.exit(1 if failed else 0)


@app.command()
def check_room() -> None:
    """Check that the team's modules have all that the runtime calls, as every command does."""


@app.command()
def alert_test() -> None:
    """Send a test alert to every target, regardless of its severity filter."""
    from .notify.alerts import send
    from .notify.events import Event
    from .notify.targets import VARIABLE, targets

    log_to_screen(logging.WARNING)
    found = targets()
    if not found:
        raise BadInput(f"{VARIABLE} is not set: add it to .env, as .env.example shows.")
    event = Event(
        kind="test",
        title="a test",
        reason="Somebody ran `make alert-test` to check that alerts arrive here.",
        rerun="make alert-test",
    )
    arrived = send(event, found)
    for target, came in zip(found, arrived, strict=True):
        typer.echo(f"{'sent to' if came else 'NOT sent to'} {target}")
    sys.exit(0 if all(arrived) else 1)


{% if cookiecutter.__has_image %}
@app.command()
def deploy_alert(
    outcome: Annotated[str, typer.Option(envvar="OUTCOME", help="success, or failure.")],
    environment: Annotated[str, typer.Option(envvar="ENVIRONMENT", help="Where to.")],
    image: Annotated[str, typer.Option(envvar="IMAGE", help="The image to deploy.")],
    page: Annotated[str, typer.Option(envvar="PAGE", help="Where its log is.")] = "",
) -> None:
    """Send the alert of a deploy; exit with 1 where a target was not reached."""
    from .notify.alerts import send
    from .notify.events import Event
    from .notify.targets import targets, warn_without_targets

    log_to_screen(logging.WARNING)
    done = outcome == "success"
    failed = f"The deploy of {image} failed. Its log says what is deployed now"
    event = Event(
        kind="deployed" if done else "deploy_failed",
        title=f"{environment} {'has a new version' if done else 'was not deployed'}",
        reason=f"{image} is deployed" if done else failed,
        run_url=page or None,
        rerun=None if done else "start the workflow again",
    )
    warn_without_targets(read_params())
    arrived = send(event, [target for target in targets() if target.wants(event)])
    sys.exit(0 if all(arrived) else 1)


{% endif %}
@app.command()
def deadlines(
    rerun: Annotated[
        str, typer.Option(help="The command that runs {period}, for the alert.")
    ] = "make run PERIOD={period}",
{% if cookiecutter.orchestrator == "kubeflow" %}
    run_minutes: Annotated[float | None, typer.Option(help="How long a run may take.")] = None,
{% endif %}
) -> None:
    """Check that the last period's model was released on time; send an alert if not."""
    from .notify.deadlines import check

    log_to_screen()
    params, now = read_params(), datetime.now(UTC)
{% if cookiecutter.orchestrator == "kubeflow" %}
    from .notify.jobs import check_jobs

    overdue = check_jobs(params, run_minutes, now) if run_minutes else []
    sys.exit(1 if check(params, now, rerun) or overdue else 0)
{% else %}
    sys.exit(1 if check(params, now, rerun) else 0)
{% endif %}


{% if cookiecutter.monitoring == "prometheus" %}
@app.command()
def monitor(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on; 0: a free one.")] = 9101,
) -> None:
    """Serve the pipeline's metrics, and send the alerts of Prometheus."""
    from .monitor.exporter import serve

    log_to_screen()
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: os._exit(0))  # nothing has to be finished
    serve(read_params(), host, port)


{% endif %}
def read_params() -> "Params":
    """Return the parameters. `config` imports the team's `params.py`, which `main` checks first."""
    from .config import load_params

    return load_params()


def check_folder(params: "Params") -> None:
    """Make sure that the folder of runs can be written; raise `BadInput` where not."""
    from upath import UPath

    from .files import check_writable

    check_writable(UPath(params.runs))


def check_tracker() -> None:
    """Make sure, within seconds, that tracker and registry work; raise `Unavailable` where not."""
    from .registry import store, tracker

    for check in dict.fromkeys((tracker.check, store.check)):  # often one of both
        check()


def check_registry() -> None:
    """Make sure, within seconds, that the registry works; raise `Unavailable` where not."""
    from .registry import store

    store.check()


def collect_less_garbage() -> None:
    """Look for garbage less often, and not at the exit: a run spends a seventh of its time on it.

    What a run imports, a million objects, stays until it ends.
    """
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)


def log_to_screen(level: int = logging.INFO) -> None:
    """Print the pipeline's log, without times."""
    logging.basicConfig(level=level, format="%(message)s")


def interrupted(*_: object) -> NoReturn:
    """Exit at Ctrl-C, with all processes started from here.

    An orderly shutdown would report to a server that the same Ctrl-C is ending, and wait minutes.
    """
    import psutil

    typer.echo(f"\ninterrupted. {RESUME}", err=True)
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(130)


def exit_with(work: "Callable[[], list[Result]]") -> NoReturn:
    """Do the work, print its results, and exit with the code of the worst run."""
    signal.signal(signal.SIGINT, interrupted)
    try:
        results = work()
    except (BadInput, Unavailable):
        raise
    except Exception as error:  # noqa: BLE001 - the orchestrator has logged the traceback
        typer.echo(f"\nfailed: {error}\n{RESUME}", err=True)
        sys.exit(1)
    typer.echo()
    runs = read_params().runs
    for result in results:
        typer.secho(f"{result.period} {status_text(result.status)}: {result.reason}", bold=True)
        if result.metrics:
            typer.echo(f"  {listed(result.metrics)}")
        typer.echo(f"  {runs}/{result.run_id}/report.html")
    sys.exit(3 if any(result.status == "quarantined" for result in results) else 0)


def complete_account() -> None:
    """Name the user and a home where the machine knows neither: libraries ask for both."""
    try:
        getpass.getuser()
    except (KeyError, OSError):  # OSError: since Python 3.13
        os.environ["USER"] = str(os.getuid())
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = tempfile.mkdtemp()
        atexit.register(shutil.rmtree, os.environ["HOME"], ignore_errors=True)


def main() -> None:
    """Run a command; print input errors, and that something does not answer, as one sentence."""
    complete_account()
    from .room import check_room

    proxies.bypass()
    with exit_if_refused():
        check_room()  # before a command imports a module that lacks something
        with one_sentence():
            app()


@contextmanager
def one_sentence() -> Iterator[None]:
    """Raise that a server fails as `Unavailable`, whose sentence is printed alone."""
    try:
        yield
    except Exception as error:
        if not is_unavailable(error):
            raise
        from .registry import store

        tool, said = type(error).__module__.partition(".")[0], one_line(error)[:300]
        if tool in (store.NAME.lower(), "requests", "urllib3"):
            raise Unavailable(
                f"{store.NAME} at {store.address()} failed: {said}; check it, or correct "
                f"{store.VARIABLE}."
            ) from error
        if tool in ("aiohttp", "botocore"):
            raise Unavailable(
                f"A server failed: {said}; check `source` and `runs` in params.yaml."
            ) from error
        raise
