"""Stands in for the team's other modules: a step of theirs returns a result and does nothing else.

A step may need the team's tables, and the package under test has those of `domain/`.
"""

from collections.abc import Callable

from pydantic import BaseModel

from {{{ cookiecutter.package_name }}}.runtime.files import write_json
from {{{ cookiecutter.package_name }}}.runtime.run import Run, RunDir


class Nothing(BaseModel):
    """What such a step returns."""


def __getattr__(name: str) -> Callable[..., Nothing]:
    """Return the step of a name."""

    def step(run: Run, *given: str) -> Nothing:
        write_json(RunDir(run).step_result(name, *given), Nothing())
        return Nothing()

    step.__name__ = name
    return step
