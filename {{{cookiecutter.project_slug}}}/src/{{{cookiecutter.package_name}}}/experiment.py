"""The steps up to evaluate over fixed paths, as the stages of `dvc.yaml` call them.

An experiment has no release: the registry is only read.
"""

from datetime import UTC, datetime
from importlib import import_module

from .errors import BadInput
from .params import Params
from .plan import plan_run, read_plan

FOLDER = "experiment"
STEPS = ("ingest", "validate", "version", "features", "train", "evaluate")


def run_step(params: Params, name: str) -> None:
    """Run one of `STEPS` for the period of the experiment, for all its months.

    Raises:
        BadInput: there is no such step, the period cannot be had, or the data are bad.
    """
    if name not in STEPS:
        raise BadInput(f"There is no step {name}: it is one of {', '.join(STEPS)}.")
    run = plan_run(params, params.experiment.period, at=datetime.now(UTC), folder=FOLDER)
    step = getattr(import_module(f".steps.{name}", __package__), name)
    if name == "ingest":
        for month in read_plan(run).months:
            step(run, month)
    elif name == "features":
        from .steps.validate import fit_months

        for month in fit_months(run):
            step(run, month)
    else:
        done = step(run)
        if name == "validate" and not done.good:
            raise BadInput(f"{done.reason}.")
