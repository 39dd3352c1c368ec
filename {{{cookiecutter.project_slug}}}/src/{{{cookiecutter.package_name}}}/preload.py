"""Import what is slow to import while the orchestrator starts: it keeps one core busy for seconds.

Only a saving of time: a step imports what is not there yet by itself. Nothing that an orchestrator
imports too stands here, as two threads in one package may find each other's modules half made.
"""

from functools import cache
from importlib import import_module
from threading import Thread

SLOW = ("pandera.polars", "sklearn.compose", "sklearn.ensemble", "matplotlib.figure")


@cache
def begin() -> Thread:
    """Begin, in a thread of its own, unless it was begun before."""
    thread = Thread(target=lambda: [import_module(name) for name in SLOW], daemon=True)
    thread.start()
    return thread


def wait() -> None:
    """Return when all is there."""
    begin().join()
