"""Checkpoints: each step of a run is done once; later calls return its stored result."""

import logging
import time
from collections.abc import Callable, Iterable
from typing import TypeVar, TypeVarTuple, get_type_hints

from pydantic import BaseModel

from ..errors import BadInput
from ..files import locked, read_json, write, write_json
from ..results import Checkpoint
from . import cache
from .run_dir import Run, RunDir

log = logging.getLogger(__name__)

Given = TypeVarTuple("Given")
Returned = TypeVar("Returned", bound=BaseModel)


def checkpoint(step: Callable[[Run, *Given], Returned], run: Run, *given: *Given) -> Returned:
    """Run a step and return its result; if the step is done already, return the stored result.

    So a run is resumed where it stopped, under any orchestrator. Of two processes at the same step
    of a run, one waits for the other and then finds it done.

    Args:
        step: a function of `steps/`; its annotations name the pydantic model that it returns, and
            it writes that to the run directory.
        run: the run.
        given: what else the step takes: nothing, or one value such as a period.

    Raises:
        BadInput: the step returns no pydantic model, writes none, or takes two further values.
    """
    model: type[Returned] | None = get_type_hints(step).get("return")
    if not isinstance(model, type) or not issubclass(model, BaseModel):
        raise BadInput(f"step {step.__name__}: annotate the pydantic model that it returns")
    if len(given) > 1:
        raise BadInput(f"step {step.__name__}: give it one value at most beside the run")
    name = "-".join([step.__name__, *map(str, given)])
    run_dir = RunDir(run)
    stored = run_dir.step_result(step.__name__, *map(str, given))
    file = run_dir.checkpoint(name)
    before = file.exists()
    with locked(run_dir.lock(name), f"{name}: waiting for another process that runs it"):
        if file.exists():
            if read_json(file, Checkpoint).taken:
                how = "taken from an earlier run"
            else:
                again = f"done before; to run it again, remove {run_dir.folder}"
                how = again if before else "done by another process"
            log.info("%s: %s", name, how)
            return read_json(stored, model)
        # Counted before it starts: a process that is killed can no longer report it.
        tries = run_dir.tries / f"{name}.txt"
        count = int(tries.read_bytes()) if tries.exists() else 0
        write(tries, str(count + 1).encode())
        started, begun = time.time(), time.perf_counter()
        try:
            returned = step(run, *given)
        except BaseException as error:
            if type(error).__name__ == "PanicException":  # of Polars, and no `Exception`
                raise RuntimeError(f"step {name}: Polars failed: {error}") from error
            raise
        took = round(time.perf_counter() - begun, 3)
        if not stored.exists():
            raise BadInput(f"step {step.__name__}: write what it returns to {stored.name}")
        write_json(file, Checkpoint(step=step.__name__, started=started, seconds=took))
        if step.__name__ == cache.STEPS[-1]:
            cache.keep(run, *map(str, given))
        return returned


def undone(step: Callable[..., object], run: Run, periods: Iterable[str]) -> list[str]:
    """Return those of `periods` for which a step has to be called.

    They are the run's own period, so that there is one, and those for which the step is not done:
    an earlier run may have done it on the same files; see `cache.py`.
    """
    done = RunDir(run).checkpoint
    return [
        period
        for period in periods
        if period == run.period or not done(f"{step.__name__}-{period}").exists()
    ]


def unfinished(run: Run) -> list[str]:
    """Return the steps of a run that were started and are not done, in their order.

    Their locks show it, so there is no answer where the run directory is in an object store.
    """
    run_dir = RunDir(run)
    locks = sorted(run_dir.locks.glob("*"), key=lambda file: file.stat().st_mtime)
    begun = [file.name for file in locks if file.name != "plan"]
    undone = [name for name in begun if not run_dir.checkpoint(name).exists()]
    return [name.partition("-")[0] for name in undone]  # `ingest` of `ingest-2013-05`


def seconds(run: Run) -> dict[str, float]:
    """Return how long each step took, in their order; the periods of a step are added up."""
    total: dict[str, float] = {}
    done = [read_json(file, Checkpoint) for file in RunDir(run).checkpoints.glob("*.json")]
    ours = [step for step in done if not step.taken]
    for step in sorted(ours, key=lambda step: step.started):
        total[step.step] = round(total.get(step.step, 0.0) + step.seconds, 3)
    return total


def retries(run: Run) -> dict[str, int]:
    """Return how often each step was retried, its periods added up; killed tries count, too."""
    total: dict[str, int] = {}
    for file in sorted(RunDir(run).tries.glob("*.txt")):
        step = file.stem.partition("-")[0]  # `ingest` of `ingest-2013-05`
        total[step] = total.get(step, 0) + int(file.read_bytes()) - 1
    return {step: again for step, again in total.items() if again}
