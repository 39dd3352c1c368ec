"""Give the stack of this machine another image: what `make deploy` calls, and `make retrain`.

The image is pulled before anything changes, started, and tried in a run. Where that fails, the
former image is started again. The run is a real one: it may release a model.

.env names an image only when it has shown that it works. So whatever ends a deploy, `deploy-back`
and `make up` know what worked before.
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
OWNERS = ["{{{ 'prefect' if cookiecutter.orchestrator == 'prefect' else 'apache-airflow' }}}", "mlflow"]
"""What changes its database when a newer version of it starts."""
PATIENCE = 90 * 60
"""Seconds that a run may take: less than the job of deploy-to.yml, so that it can go back."""


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
    month = parse_month(period) if period else ""
    stack.check()
    docker("pull", "--quiet", image)
    if former := deployed():
        check_databases(former, image)
    os.environ["IMAGE"] = image
    try:
        stack.start()
        run_once(month)
    except BaseException as failed:  # noqa: BLE001 - whatever it is, Ctrl-C too
        typer.echo(str(failed) or "Stopped.", err=True)
        sys.exit(f"error: {image} is not deployed: {go_back()}.")
    write(image)
    typer.echo(f"{image} is deployed.")


@app.command()
def back() -> None:
    """Start what worked before a deploy that was cut off."""
    typer.echo(f"{go_back()}.")


def go_back() -> str:
    """Start the image that .env names, or, where there was none, stop what runs; say which."""
    os.environ.pop("IMAGE", None)
    former = deployed()
    try:
        if former or docker("image", "ls", "--quiet", stack.config()["name"]).stdout:
            stack.start()
            return f"{former or 'the one that was built here'} is again"
        docker("compose", "--profile", "*", "down")
    except SystemExit as failed:
        typer.echo(str(failed), err=True)
        return "the former one did not come up again either, see above"
    return "nothing is, as before"


def deployed() -> str | None:
    """Return the image that .env names; None: the one that is built here, or none yet."""
    return dotenv_values(stack.ENV).get("IMAGE")


def write(image: str) -> None:
    """Write into .env which image is deployed."""
    lines = stack.ENV.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not re.match(r"\s*(export\s+)?IMAGE\s*=", line)]
    stack.write_env("".join([*kept, f"IMAGE={image}\n"]))


def check_databases(former: str, image: str) -> None:
    """See that an image does not change a database for good: nothing could go back to before.

    Raises:
        BadInput: it has another version of what a database belongs to.
    """
    code = "from importlib.metadata import version as v; "
    code += f"print(*[name + ' ' + v(name) for name in {OWNERS}])"
    before, after = (
        docker("run", "--rm", "--entrypoint", "python", name, "-c", code).stdout.strip()
        for name in (former, image)
    )
    if before != after:
        raise BadInput(
            f"{image} has {after}, and {before} is deployed, which may not read its database "
            f"afterwards: `make backup`, write IMAGE={image} into .env, and `make up`."
        )


@app.command()
def retrain(period: Period = "") -> None:
    """Run the pipeline for a month in the stack, and say how the last runs ended."""
    run_once(parse_month(period) if period else "")
    typer.echo(docker("compose", "run", "--rm", "--no-TTY", "pipeline", "status").stdout)


{% if cookiecutter.orchestrator == "prefect" %}
def run_once(month: str) -> None:
    """Let the worker do a run of the deployment, and wait; leave where it fails, or takes too long.

    Args:
        month: the one to run for; empty: the newest.
    """
    prefect = ["compose", "exec", "--no-TTY", "prefect-worker", "prefect"]
    run = ["deployment", "run", "training/monthly", "--watch", f"--watch-timeout={PATIENCE}"]
    parameters = [f"--param=period={month}"] if month else []
    stack.show(*prefect, *run, *parameters, otherwise="the run failed, see above.")
{% elif cookiecutter.orchestrator == "airflow" %}
def run_once(month: str) -> None:
    """Let the scheduler do a run of the DAG, and wait; leave where it fails, or takes too long.

    Args:
        month: the one to run for; empty: the newest.
    """
    conf = json.dumps({"period": month} if month else {})
    name = f"manual__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
    airflow = ("compose", "exec", "--no-TTY", "scheduler", "airflow", "dags")
    docker(*airflow, "trigger", DAG_ID, "--run-id", name, "--conf", conf)
    typer.echo(f"The run is {name}.")
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        listed = docker(*airflow, "list-runs", DAG_ID, "--output", "json").stdout
        start = listed.find("[{")  # Airflow writes lines of its log there, too
        runs = json.JSONDecoder().raw_decode(listed, start)[0] if start >= 0 else []
        states = {run["run_id"]: run["state"] for run in runs}
        if states.get(name) == "success":
            return
        if states.get(name) == "failed":
            sys.exit(f"error: the run {name} failed: see its page.")
        time.sleep(POLL)
    sys.exit(f"error: the run {name} has not ended after {PATIENCE / 60:.0f} minutes.")
{% endif %}


if __name__ == "__main__":
    try:
        app()
    except BadInput as error:
        sys.exit(f"error: {error}")
