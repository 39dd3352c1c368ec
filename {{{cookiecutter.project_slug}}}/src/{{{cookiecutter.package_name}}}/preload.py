"""Get ready what the steps need while the orchestrator starts: it keeps one core busy for seconds.

Only a saving of time: a step imports, and makes, what is not there yet by itself.
"""

import pkgutil
from contextlib import suppress
from functools import cache
from importlib import import_module
from threading import Thread

from . import steps


@cache
def begin() -> Thread:
    """Begin, in a thread of its own, unless it was begun before."""
    thread = Thread(target=_load, daemon=True)
    thread.start()
    return thread


def wait() -> None:
    """Return when all is ready: two threads that import at once may get in each other's way."""
    begin().join()


def _load() -> None:
    with suppress(Exception):  # the step that needs it will fail with it, and say so
        for module in pkgutil.iter_modules(steps.__path__):
            import_module(f"{steps.__name__}.{module.name}")
        import_module(".tracking", __package__).client()
