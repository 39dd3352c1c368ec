"""What is deployed on a cluster: whether it can be reached, and another run of it.

`make deploy-check` and `make retrain` call this; the environment says where, as for `make deploy`.
"""

import os
from typing import Annotated

import typer

from {{{ cookiecutter.package_name }}}.alerts import VARIABLE, targets
from {{{ cookiecutter.package_name }}}.errors import BadInput
from {{{ cookiecutter.package_name }}}.months import parse_month
from {{{ cookiecutter.package_name }}}.params import load_params

from .schedule import schedules
from .server import Server, leave_in_a_sentence
from .submit import the_experiment, try_out

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def check() -> None:
    """See that the cluster answers, and that people would be told."""
    where = ""
    if environment := os.environ.get("ENVIRONMENT"):
        where = f" On GitHub: Settings, Environments, {environment}."
    if not os.environ.get("KFP_HOST"):
        raise BadInput(f"KFP_HOST, the address of Kubeflow Pipelines, is not set.{where}")
    if load_params().alerts.wanted and not targets():
        raise BadInput(
            f"{VARIABLE}, a secret, is not set: see .env.example, or say `wanted: false` in "
            f"params.yaml.{where}"
        )
    server = Server.of_environment()
    server.ask(server.health.healthz_service_get_healthz)
    typer.echo(f"{server.host} answers.")


@app.command()
def retrain(
    period: Annotated[str, typer.Option(envvar="PERIOD", help="A month; else the newest.")] = "",
    minutes: Annotated[float, typer.Option("--timeout", help="To wait for the run.")] = 60,
    poll: Annotated[float, typer.Option(hidden=True)] = 10,
) -> None:
    """Run the version that the schedule runs, and wait until it has succeeded."""
    parameters: dict[str, str | int] = {"period": parse_month(period)} if period else {}
    server = Server.of_environment()
    experiment = the_experiment(server)
    found = schedules(server, experiment)
    if not found:
        raise BadInput(f"Nothing is deployed on {server.host}: `make deploy IMAGE=…` does so.")
    deployed = found[0].pipeline_version_reference
    get = server.pipelines.pipeline_service_get_pipeline_version
    version = server.ask(get, deployed.pipeline_id, deployed.pipeline_version_id)
    try_out(server, version, experiment, parameters, minutes=minutes, poll=poll)


def main() -> None:
    """Do it; say in one sentence what went wrong."""
    with leave_in_a_sentence():
        app()


if __name__ == "__main__":
    main()
