"""Models as bytes. A model carries the team's code, so that it still loads after that changed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from platform import python_version
from typing import Any

import cloudpickle

from ..errors import BadInput
from ..results import Training
from ..run import Run, RunDir

_PACKAGE = __name__.partition(".")[0]


@contextmanager
def with_own_code() -> Iterator[None]:
    """Let cloudpickle store what this package defines by value, and not by the module's name."""
    package = sys.modules[_PACKAGE]
    cloudpickle.register_pickle_by_value(package)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(package)


def dump_model(model: Any) -> bytes:
    """Return a model as bytes; `load_model` reads them."""
    with with_own_code():
        return bytes(cloudpickle.dumps(model))


def load_model(content: bytes) -> Any:
    """Return the model that `dump_model` wrote. Its code runs: load only what a run wrote."""
    return cloudpickle.loads(content)


def load_run_model(run: Run, training: Training, instead: str) -> Any:
    """Return the model that a run fitted; for `instead` and errors see `check_python`."""
    check_python(training.python, f"The model of run {run.run_id}", instead)
    return load_model(RunDir(run).model.read_bytes())


def check_python(made: str, what: str, instead: str) -> None:
    """Check that a model can be loaded here: its compiled code would crash another Python.

    Raises:
        BadInput: another Python made it; `instead` is what to do other than using that Python.
    """
    ours = python_version()
    if made.split(".")[:2] != ours.split(".")[:2]:
        raise BadInput(
            f"{what} was made by Python {made} and loads only there, not in {ours}: use that "
            f"Python, or {instead}."
        )
