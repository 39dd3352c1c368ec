"""Run the pipeline and be killed in the middle: `python killed.py PERIOD PLACE`.

PLACE is how a file's place in the run's folder begins, or a file beside `runs/`: the process kills
itself when that file is written and not yet renamed to its name. `push` and `pushed` are before and
after a snapshot goes to its storage, `promote` is between registering a version and giving it the
alias. A run that meets none of them ends as it would.
"""

import os
import signal
import sys
from pathlib import Path, PosixPath
from typing import Any

sys.path.insert(0, str(Path.cwd()))  # as `python -m` does
from dvc.repo import Repo
from flows.training import training
from my_pipeline.runtime.registry import registry

PERIOD, PLACE = sys.argv[1:]
rename = PosixPath.replace


def die(*_: Any, **__: Any) -> None:
    """Leave as a machine that loses its power does."""
    os.kill(os.getpid(), signal.SIGKILL)


def rename_or_die(part: PosixPath, name: Any) -> Any:
    """Do what the original does, but for the file in question."""
    _, _, place = str(name).partition("/runs/")[2].partition("/")
    if (place or str(name)).startswith(PLACE):
        die()
    return rename(part, name)


def push_and_die(*given: Any, **named: Any) -> None:
    """Do what the original does, and no more."""
    push(*given, **named)
    die()


match PLACE:
    case "promote":
        registry.promote = die
    case "push" | "pushed":
        push = Repo.push
        Repo.push = die if PLACE == "push" else push_and_die
    case _:
        PosixPath.replace = rename_or_die  # type: ignore[method-assign,assignment]
training(PERIOD)
