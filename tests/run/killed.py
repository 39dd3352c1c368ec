"""Run the pipeline and kill it in the middle: `python killed.py PERIOD PLACE`.

PLACE is the start of a file's path in a folder of `runs/`, or a file beside that: the process
kills itself after it wrote that file and before it renamed it. `push` and `pushed` are before and
after a snapshot is stored, `promote` is between registering a version and setting the alias. If the
run reaches none of them, it ends normally.
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
    """Kill this process, as a power failure does."""
    os.kill(os.getpid(), signal.SIGKILL)


def rename_or_die(part: PosixPath, name: Any) -> Any:
    """Rename a file, or die if it is the file in question."""
    _, _, place = str(name).partition("runs/")[2].partition("/")
    if (place or str(name)).startswith(PLACE):
        die()
    return rename(part, name)


def push_and_die(*given: Any, **named: Any) -> None:
    """Store the snapshot, then kill this process."""
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
