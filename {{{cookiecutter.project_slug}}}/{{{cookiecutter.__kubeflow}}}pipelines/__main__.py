"""Deploy the pipeline to a cluster, and run what is deployed there.

The environment names the cluster: KFP_HOST and, where needed, KFP_TOKEN, KFP_NAMESPACE and KFP_CA,
the file of a certificate's authority. Exit codes: 0 done; 1 failed; 2 refused input.
"""

import os
import sys
from typing import Annotated

import typer

from {{{ cookiecutter.package_name }}}.runtime import proxies
from {{{ cookiecutter.package_name }}}.runtime.config import load_params
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.notify.targets import VARIABLE, targets
from {{{ cookiecutter.package_name }}}.runtime.periods import parse_period

from . import deploy as deploying
from .schedule import schedules
from .server import DeployError, Server

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, add_completion=False)

Period = Annotated[str, typer.Option(envvar="PERIOD", help="Run this period; else the newest.")]
Minutes = Annotated[float, typer.Option("--timeout", help="Minutes that the run may take.")]


@app.command()
def deploy(
    image: Annotated[str, typer.Option(envvar="IMAGE", help="With its digest.")] = "",
    period: Period = "",
    window: Annotated[
        int | None, typer.Option(min=2, help="Periods to train on; else as params.yaml says.")
    ] = None,
    minutes: Minutes = 60,
) -> None:
    """Upload the pipeline, try it in a run, and move the schedule to it."""
    parameters: deploying.Parameters = {"period": parse_period(period)} if period else {}
    if window:
        parameters["window"] = window
    deploying.deploy(Server(), image, parameters, minutes)


@app.command()
def check() -> None:
    """Check that the cluster answers and that alerts have a target."""
    environment = os.environ.get("ENVIRONMENT")
    where = f" Set it for the environment {environment}." if environment else ""
    if not os.environ.get("KFP_HOST"):
        raise BadInput(f"KFP_HOST, the address of Kubeflow Pipelines, is not set.{where}")
    if load_params().alerts.wanted and not targets():
        raise BadInput(
            f"{VARIABLE}, a secret, is not set: see .env.example, or set `wanted: false` in "
            f"params.yaml.{where}"
        )
    server = Server()
    server.ask(server.health.healthz_service_get_healthz)
    typer.echo(f"{server.host} answers.")


@app.command()
def retrain(period: Period = "", minutes: Minutes = 60) -> None:
    """Run the version that the schedule runs, and wait until it has succeeded."""
    parameters: deploying.Parameters = {"period": parse_period(period)} if period else {}
    server = Server()
    experiment = deploying.get_experiment(server)
    found = schedules(server, experiment)
    if not found:
        raise BadInput(f"Nothing is deployed on {server.host}: run `make deploy IMAGE=…` first.")
    deployed = found[0].pipeline_version_reference
    get = server.pipelines.pipeline_service_get_pipeline_version
    version = server.ask(get, deployed.pipeline_id, deployed.pipeline_version_id)
    deploying.run_once(server, version, experiment, parameters, minutes)


if __name__ == "__main__":
    proxies.bypass()
    try:
        app()
    except (BadInput, DeployError) as error:
        typer.echo(f"error: {str(error).rstrip('.')}.", err=True)
        sys.exit(2 if isinstance(error, BadInput) else 1)
