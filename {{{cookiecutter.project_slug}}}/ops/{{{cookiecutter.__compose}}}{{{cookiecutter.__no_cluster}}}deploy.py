"""Deploy another image to the stack of this machine: `make deploy` and `make retrain`.

The image is pulled before anything changes, started, and tested by a run. The run is a real one: it
may release a model. If it fails, the former image is started again.

.env names an image only after its run succeeded, so `make deploy-back` and `make up` start the last
image that worked, however a deploy ended.
"""

{% if cookiecutter.orchestrator == "airflow" %}
import json
import os
import re
import sys
import time
from datetime import UTC, datetime
from typing import Annotated
{% else %}
import os
import re
import sys
from typing import Annotated
{% endif %}

import typer
from dotenv import dotenv_values

{% if cookiecutter.orchestrator == "airflow" %}
from {{{ cookiecutter.package_name }}}.runtime import PROJECT
{% endif %}
from {{{ cookiecutter.package_name }}}.runtime.config import load_params
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.notify.targets import VARIABLE, targets
from {{{ cookiecutter.package_name }}}.runtime.periods import parse_period

from . import stack
from .stack import docker

Image = Annotated[str, typer.Option(envvar="IMAGE", help="With its digest.")]
Period = Annotated[str, typer.Option(envvar="PERIOD", help="By default the newest.")]

{% if cookiecutter.orchestrator == "airflow" %}
POLL = 10
"""Seconds between two looks at a run."""
{% endif %}
STATEFUL = ["{{{ 'prefect' if cookiecutter.orchestrator == 'prefect' else 'apache-airflow' }}}"{{{ ', "mlflow"' if cookiecutter.__registry == 'mlflow' else ', "trackio"' if cookiecutter.tracker == 'trackio' else '' }}}]
"""Packages that migrate their database when a newer version starts."""
PATIENCE = 90 * 60
"""Seconds that a run may take: less than the job of deploy-to.yml, so that it can go back."""


app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def check() -> None:
    """Check that the stack can start and that alerts have a target."""
    stack.check()
    if load_params().alerts.wanted and not targets():
        raise BadInput(
            f"{VARIABLE} is not set: add it to .env on this machine, as .env.example shows, or set "
            "`wanted: false` below `alerts` in params.yaml."
        )


@app.command()
def deploy(image: Image = "", period: Period = "") -> None:
    """Start the stack on an image, and run the pipeline once; go back where that fails."""
    os.environ.pop("IMAGE", None)  # it would override .env, which names the deployed image
    if not re.fullmatch(r"[\w.:/-]+@sha256:[0-9a-f]{64}", image, re.ASCII):
        raise BadInput(f"The image {image!r} has no digest: write it as registry/name@sha256:….")
    period = parse_period(period) if period else ""
    stack.check()
    docker("pull", "--quiet", image)
    if former := deployed():
        check_databases(former, image)
    os.environ["IMAGE"] = image
    try:
        stack.start()
        run_once(period)
    except BaseException as failure:  # noqa: BLE001 - whatever it is, Ctrl-C too
        typer.echo(str(failure) or "Stopped.", err=True)
        sys.exit(f"error: Deploy of {image} failed. {go_back()}")
    write(image)
    typer.echo(f"{image} is deployed.")


@app.command()
def back() -> None:
    """Start the image that ran before an interrupted deploy."""
    typer.echo(go_back())


def go_back() -> str:
    """Start the image of .env, or stop the stack where there was none; return what runs now."""
    os.environ.pop("IMAGE", None)
    former = deployed()
    try:
        if former or docker("image", "ls", "--quiet", stack.config()["name"]).stdout:
            stack.start()
            return f"Running again: {former or 'the image that was built here'}."
        docker("compose", "--profile", "*", "down")
    except SystemExit as failure:
        typer.echo(str(failure), err=True)
        return "The former image did not start either, see above."
    return "Nothing was running before, and nothing is running now."


def deployed() -> str | None:
    """Return the image that .env names; None: the one that is built here, or none yet."""
    return dotenv_values(stack.ENV).get("IMAGE")


def write(image: str) -> None:
    """Write the deployed image into .env."""
    lines = stack.ENV.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not re.match(r"\s*(export\s+)?IMAGE\s*=", line)]
    stack.write_env("".join([*kept, f"IMAGE={image}\n"]))


def check_databases(former: str, image: str) -> None:
    """Check that an image migrates no database, which the former image could not read afterwards.

    Raises:
        BadInput: it has another version of a package that owns a database.
    """
    code = "from importlib.metadata import version as v; "
    code += f"print(*[name + ' ' + v(name) for name in {STATEFUL}])"
    before, after = (
        docker("run", "--rm", "--entrypoint", "python", name, "-c", code).stdout.strip()
        for name in (former, image)
    )
    if before != after:
        raise BadInput(
            f"{image} has {after}; the deployed image has {before} and may not read the migrated "
            f"databases: run `make backup`, set IMAGE={image} in .env, and run `make up`."
        )


@app.command()
def retrain(period: Period = "") -> None:
    """Run the pipeline in the stack, and print how the last runs ended."""
    run_once(parse_period(period) if period else "")
    typer.echo(docker("compose", "run", "--rm", "--no-TTY", "pipeline", "status").stdout)


{% if cookiecutter.orchestrator == "prefect" %}
def run_once(period: str) -> None:
    """Start a run of the deployment, and wait for it; exit where it fails or takes too long.

    Args:
        period: empty for the newest.
    """
    prefect = ["compose", "exec", "--no-TTY", "prefect-worker", "prefect"]
    run = ["deployment", "run", "training/scheduled", "--watch", f"--watch-timeout={PATIENCE}"]
    parameters = [f"--param=period={period}"] if period else []
    stack.show(*prefect, *run, *parameters, otherwise="the run failed, see above.")
{% elif cookiecutter.orchestrator == "airflow" %}
def run_once(period: str) -> None:
    """Start a run of the DAG, and wait for it; exit where it fails or takes too long.

    Args:
        period: empty for the newest.
    """
    conf = json.dumps({"period": period} if period else {})
    name = f"manual__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
    airflow("trigger", PROJECT, "--run-id", name, "--conf", conf)
    typer.echo(f"The run is {name}.")
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        state = states().get(name)
        if state == "success":
            return
        if state == "failed":
            sys.exit(f"error: the run {name} failed: see its page.")
        time.sleep(POLL)
    sys.exit(f"error: the run {name} has not ended after {PATIENCE / 60:.0f} minutes.")


def airflow(*words: str) -> str:
    """Run `airflow dags …` in the scheduler; return its output."""
    return docker("compose", "exec", "--no-TTY", "scheduler", "airflow", "dags", *words).stdout


def states() -> dict[str, str]:
    """Return the state of each run of the DAG, by run id."""
    listed = airflow("list-runs", PROJECT, "--output", "json")
    start = listed.find("[{")  # Airflow prints lines of its log before
    runs = json.JSONDecoder().raw_decode(listed, start)[0] if start >= 0 else []
    return {run["run_id"]: run["state"] for run in runs}
{% endif %}


if __name__ == "__main__":
    stack.main(app)
