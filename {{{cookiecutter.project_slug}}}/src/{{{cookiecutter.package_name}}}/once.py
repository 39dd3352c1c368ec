"""Do a step of a run once, whoever asks and however often: what the orchestrator's tasks call."""

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple, get_type_hints

from pydantic import BaseModel

from .workspace import Run, Workspace, locked, read_json, write, write_json

log = logging.getLogger(__name__)

Given = TypeVarTuple("Given")
Returned = TypeVar("Returned", bound=BaseModel)


class Record(BaseModel):
    """A step that is done."""

    step: str
    started: float
    """In seconds since 1970."""
    seconds: float
    returned: dict[str, Any]


def once(step: Callable[[Run, *Given], Returned], run: Run, *given: *Given) -> Returned:
    """Do a step and keep what it returned with the run; if that is there already, return it.

    So a run started again goes on where it stopped, whatever runs it. Of two processes at the same
    step of a run, one waits for the other and then finds it done.

    Args:
        step: a function of `steps/`; its annotations say which pydantic model it returns.
        run: the run.
        given: what else the step takes, such as a month.

    Raises:
        TypeError: the step says of no model that it returns it.
    """
    model: type[Returned] | None = get_type_hints(step).get("return")
    if not isinstance(model, type) or not issubclass(model, BaseModel):
        raise TypeError(f"step {step.__name__}: let it return a pydantic model, and say which")
    name = "-".join([step.__name__, *map(str, given)])
    workspace = Workspace(run)
    waiting = f"{name}: another process is at it; waiting for it to end"
    with locked(workspace.lock(name), waiting):
        file = workspace.record(name)
        if file.exists():
            log.info("%s: done before; to do it again, remove %s", name, workspace.folder)
            return model.model_validate(read_json(file, Record).returned)
        _count_try(workspace, name)
        started, begun = time.time(), time.perf_counter()
        returned = step(run, *given)
        took = round(time.perf_counter() - begun, 3)
        done = returned.model_dump(mode="json")
        record = Record(step=step.__name__, started=started, seconds=took, returned=done)
        write_json(file, record)
        return returned


def _count_try(workspace: Workspace, name: str) -> None:
    """Count a try before it begins: one that is killed can no longer say that there was one."""
    file = workspace.tries / f"{name}.txt"
    before = int(file.read_bytes()) if file.exists() else 0
    write(file, str(before + 1).encode())


def unfinished(run: Run) -> list[str]:
    """Return the steps of a run that were begun and are not done, in their order.

    Known by their locks, so not where the run's folder is no disk that has any.
    """
    workspace = Workspace(run)
    locks = sorted(workspace.locks.glob("*"), key=lambda file: file.stat().st_mtime)
    begun = [file.name for file in locks if file.name != "plan"]
    undone = [name for name in begun if not workspace.record(name).exists()]
    return [name.partition("-")[0] for name in undone]  # `ingest` of `ingest-2013-05`


def seconds(run: Run) -> dict[str, float]:
    """Return how long each step took, in their order; the months of a step are added up."""
    total: dict[str, float] = {}
    records = [read_json(file, Record) for file in Workspace(run).records.glob("*.json")]
    for record in sorted(records, key=lambda record: record.started):
        total[record.step] = round(total.get(record.step, 0.0) + record.seconds, 3)
    return total


def retries(run: Run) -> dict[str, int]:
    """Return how often each step was tried again; those that never were are left out.

    Tries that were killed count, and those of a run that was started again. The months of a step
    are added up.
    """
    total: dict[str, int] = {}
    for file in sorted(Workspace(run).tries.glob("*.txt")):
        step = file.stem.partition("-")[0]  # `ingest` of `ingest-2013-05`
        total[step] = total.get(step, 0) + int(file.read_bytes()) - 1
    return {step: again for step, again in total.items() if again}
