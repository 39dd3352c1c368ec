"""The interface of a tracker and of a registry: all that the runtime calls of a tool.

A module implements each: `<tool>_tracker.py` and `<tool>_registry.py`. They import the tool where
they call it, so that a command that needs no tracker starts fast.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel

from ..run import Run

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class Version(BaseModel):
    """A registered version of a model."""

    version: str
    """As the registry names it."""
    registered: datetime
    """When it was registered, in UTC."""
    tags: dict[str, str]
    """What `register` was given: the run that made it, its period, data, Python and metrics."""
    rolled_back: bool = False
    """Whether it was the champion and a rollback replaced it."""


class Tracker(Protocol):
    """`<tool>_tracker.py`: what a run logs.

    Each function raises where the tool did not keep what it was given: the step is tried again.
    """

    NAME: str
    """The tool, as people write it."""

    def check(self) -> str:
        """Return where runs are logged, in a clause that says that it works. Write no file.

        Raises:
            Exception: it does not; of `BadInput`, the sentence says what to do.
        """

    def open_run(
        self, run: Run, model_name: str, known: str | None = None
    ) -> AbstractContextManager[str]:
        """Open the tracker's run of `run`, created on first use, and yield the tracker's id of it.

        That id is `known` once `train` has written it down. The functions below log to it. What a
        step that failed or was killed left is replaced, or removed.
        """

    def log_training(self, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """Log the parameters of a training, and tags."""

    def log_model(self, model: Any, sample: "pd.DataFrame", predictions: Any, method: str) -> str:
        """Log a fitted model, and return the address by which `Registry.register` finds it.

        A model server calls its `method`: `sample` are some hundred inputs, `predictions` what the
        method returns for them.
        """

    def log_metrics(self, metrics: Mapping[str, float], prefix: str = "") -> None:
        """Log metrics, their names behind `prefix`; those of a repeated step replace the first."""

    def log_curves(self, curves: "Mapping[str, pl.DataFrame]") -> None:
        """Log curves by name, x in the first column, y in the second."""

    def log_report(self, status: str, html: str) -> None:
        """Log how the run ended, and its report."""

    def page_of(self, tracker_id: str) -> str | None:
        """Return the address of a run's page for people, None where there is none."""


class Registry(Protocol):
    """`<tool>_registry.py`: versions of models, and their aliases `champion` and `previous`.

    A version is there whole or not at all, whenever the process is killed.
    """

    NAME: str
    """The tool, as people write it."""
    VARIABLE: str
    """The environment variable that says where the registry is."""

    def address(self) -> str:
        """Return where the registry is, without a password."""

    def check(self) -> str:
        """Return where the registry is, in a clause that says that it works. Write no file.

        Raises:
            Exception: it does not; of `BadInput`, the sentence says what to do.
        """

    def exists(self) -> bool:
        """Return whether there is something to ask: False before the first run of a project."""

    def find(self, model_name: str, version: str) -> Version:
        """Return a registered version."""

    def aliased(self, model_name: str, alias: str) -> Version | None:
        """Return the version with an alias, None where no version has it."""

    def versions(self, model_name: str | None = None) -> Iterable[Version]:
        """Return all registered versions, of one model or of all."""

    def register(self, model_uri: str, model_name: str, tags: Mapping[str, str]) -> Version:
        """Return a new version, of the model that `Tracker.log_model` logged."""

    def load_model(self, model_name: str, version: str) -> Any:
        """Return a registered version as `log_model` was given it."""

    def set_alias(self, model_name: str, alias: str, version: str) -> None:
        """Give an alias to a version, and take it from the version that had it."""

    def mark(self, model_name: str, version: str, *, rolled_back: bool) -> None:
        """Set whether a version was rolled back."""
