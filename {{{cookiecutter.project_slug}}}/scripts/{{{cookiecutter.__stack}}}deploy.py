"""Give the stack of this machine another image: what `make deploy` calls, and `make retrain`.

The image is pulled before anything changes, started, and tried in a run. Where that fails, the
former image is started again. The run is a real one: it may release a model.
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

from {{{ cookiecutter.package_name }}}.alerts import VARIABLE, targets
from {{{ cookiecutter.package_name }}}.errors import BadInput
from {{{ cookiecutter.package_name }}}.months import parse_month
from {{{ cookiecutter.package_name }}}.params import load_params

from . import stack
from .stack import docker

Image = Annotated[str, typer.Option(envvar="IMAGE", help="With its digest.")]
Period = Annotated[str, typer.Option(envvar="PERIOD", help="A month; else the newest.")]

{% if cookiecutter.orchestrator == "airflow" %}
DAG_ID = "{{{ cookiecutter.project_slug }}}"
POLL = 10
"""Seconds between two looks at a run."""

{% endif %}
app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def check() -> None:
    """See that the stack can be started here, and that people would be told."""
    stack.check()
    if load_params().alerts.wanted and not targets():
        raise BadInput(
            f"{VARIABLE} is not set: write it into .env on this machine, as .env.example shows, or "
            "say `wanted: false` in params.yaml."
        )


@app.command()
def deploy(image: Image = "", period: Period = "") -> None:
    """Start the stack on an image, and run the pipeline once; go back where that fails."""
    os.environ.pop("IMAGE", None)  # else it would come before .env, which says what is deployed
    if not re.fullmatch(r"[\w.:/-]+@sha256:[0-9a-f]{64}", image, re.ASCII):
        raise BadInput(f"The image {image!r} has no digest: give it as registry/name@sha256:….")
    stack.check()
    former = dotenv_values(stack.ENV).get("IMAGE")
    docker("pull", "--quiet", image)
    use(image)
    try:
        stack.start()
        run_once(period)
    except (SystemExit, KeyboardInterrupt) as failed:
        typer.echo(str(failed) or "Stopped.", err=True)
        sys.exit(f"error: {image} is not deployed: {go_back(former)}.")
    typer.echo(f"{image} is deployed.")


def go_back(former: str | None) -> str:
    """Start the image of before, or, where there was none, stop what was started; say which."""
    use(former)
    if former or docker("image", "ls", "--quiet", stack.config()["name"]).stdout:
        stack.start()
        return f"{former or 'the one that was built here'} is again"
    docker("compose", "--profile", "*", "down")
    return "nothing is, as before"


def use(image: str | None) -> None:
    """Write into .env which image the stack has; None: the one that is built here."""
    lines = stack.ENV.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not re.match(r"\s*(export\s+)?IMAGE\s*=", line)]
    stack.write_env("".join([*kept, f"IMAGE={image}\n"] if image else kept))


@app.command()
def retrain(period: Period = "") -> None:
    """Run the pipeline for a month in the stack, and say how the last runs ended."""
    run_once(period)
    typer.echo(docker("compose", "run", "--rm", "--no-TTY", "pipeline", "status").stdout)


{% if cookiecutter.orchestrator == "prefect" %}
def run_once(period: str) -> None:
    """Let the worker do a run of the deployment, and wait; leave where it fails."""
    month = ["--param", f"period={parse_month(period)}"] if period else []
    prefect = ["compose", "exec", "--no-TTY", "prefect-worker", "prefect"]
    command = [*prefect, "deployment", "run", "training/monthly", "--watch", *month]
    stack.show(*command, otherwise="the run failed, see above.")
{% elif cookiecutter.orchestrator == "airflow" %}
def run_once(period: str) -> None:
    """Let the scheduler do a run of the DAG, and wait; leave where it fails."""
    conf = json.dumps({"period": parse_month(period)} if period else {})
    name = f"deploy__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
    airflow = ("compose", "exec", "--no-TTY", "scheduler", "airflow", "dags")
    docker(*airflow, "trigger", DAG_ID, "--run-id", name, "--conf", conf)
    typer.echo(f"The run is {name}.")
    while True:
        listed = docker(*airflow, "list-runs", DAG_ID, "--output", "json").stdout
        states = {run["run_id"]: run["state"] for run in json.loads(listed)}
        if states[name] == "success":
            return
        if states[name] == "failed":
            sys.exit(f"error: the run {name} failed: see its page.")
        time.sleep(POLL)
{% endif %}


if __name__ == "__main__":
    try:
        app()
    except BadInput as error:
        sys.exit(f"error: {error}")
