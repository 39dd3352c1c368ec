"""How trackio is reached: its databases and files are in `TRACKIO_DIR`, by default `.trackio/`."""

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

from upath import UPath

from .. import PROJECT
from ..errors import BadInput
from ..files import locked

VARIABLE = "TRACKIO_DIR"
DEFAULT = ".trackio"
ELSEWHERE = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL", "TRACKIO_REGISTRY_BUCKET_ID")
"""Variables that send runs to another machine, from which trackio cannot load registered models."""

NAME = PROJECT.removeprefix("registry-")  # trackio keeps the prefix for its registries
"""What trackio calls the project."""

STEP = 0
"""A run is evaluated once: all that it logs belongs to one step."""


@cache
def _import_trackio() -> Any:
    os.environ.setdefault(VARIABLE, DEFAULT)
    os.environ["TRACKIO_STORAGE_MODE"] = "sqlite"  # on a network's disk, it would store runs later
    import trackio

    return trackio


def load_trackio() -> Any:
    """Return the module `trackio`, imported for the folder of this project.

    Raises:
        BadInput: the folder is none, cannot be written, or another variable leads elsewhere.
    """
    for name in ELSEWHERE:
        if os.environ.get(name):
            raise BadInput(
                f"{name} is set, and trackio loads registered models from this machine only: "
                f"unset it, and set {VARIABLE} to a folder that all of them share."
            )
    place = folder()
    if place.exists() and not (place.is_dir() and os.access(place, os.R_OK | os.W_OK | os.X_OK)):
        raise BadInput(
            f"{place}, trackio's folder, is {'not writable' if place.is_dir() else 'a file'}: "
            f"correct that, or set {VARIABLE} to another folder."
        )
    return _import_trackio()


def folder() -> Path:
    """Return the folder of trackio's databases and files."""
    return Path(os.environ.get(VARIABLE, DEFAULT))


def check() -> str:
    """Return where runs and models are, in a clause that says that they can be written."""
    load_trackio()
    place = folder()
    return f"{place} is writable" if place.exists() else f"{place} is created by the first run"


@contextmanager
def opened(name: str, resume: str = "allow") -> Iterator[Any]:
    """Open the run `name`, yield it, and store what was logged to it.

    trackio logs in a thread of its own, and warns where it lost something: here, that is an error.
    One process at a time: so what it finds half-written is of one that was killed.

    Raises:
        RuntimeError: something was not stored.
    """
    trackio, lock = load_trackio(), UPath(folder() / ".logging.lock")
    with (
        locked(lock, "waiting for another run that logs to trackio"),
        warnings.catch_warnings(record=True) as caught,
        redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("always")
        for part in folder().glob("artifacts/**/*.partial.*"):
            part.unlink()
        stored = stored_config(name)
        run = _init(name, stored, resume)
        try:
            yield run
        finally:
            trackio.finish()
        config = {key: value for key, value in run.config.items() if not key.startswith("_")}
        if config != stored:  # trackio stores it with the first metrics of a run that it opens
            _init(name, config, "allow")
            trackio.finish()
    for warning in caught:
        if warning.filename != trackio.utils.__file__:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
        elif not str(warning.message).startswith("Reserved keys renamed"):
            raise RuntimeError(f"trackio in {folder()}: {warning.message}")


def _init(name: str, config: dict[str, Any], resume: str) -> Any:
    """Open a run with these parameters and tags, and store them."""
    run = load_trackio().init(
        NAME,
        name,
        config=config,
        resume=resume,
        embed=False,
        auto_log_gpu=False,
        auto_log_cpu=False,
    )
    run.log({}, STEP)
    return run


def stored_config(name: str) -> dict[str, Any]:
    """Return the parameters and tags of a run, empty if it is new."""
    api = load_trackio().Api()
    try:
        runs = api.runs(NAME)
    except ValueError:  # the first run of the project
        return {}
    config = next((run.config or {} for run in runs if run.name == name), {})
    return {key: value for key, value in config.items() if not key.startswith("_")}
