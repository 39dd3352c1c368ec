"""A run whose work is done, with and without Python's default for collecting garbage.

Such a run only starts, plans and ends. `runtime/cli.py` collects less often, and not at the end,
because this shows a ratio of 1.1 to 1.2.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from .measuring import in_turns, output, seconds, show

PERIOD = "2013-05"

RUN = "from my_pipeline.runtime.cli import main; main()"
BY_DEFAULT = f"import gc; gc.set_threshold = gc.freeze = lambda *_: None; {RUN}"


def main(make_project: Callable[[], Path]) -> None:
    """Print the seconds of both, and their ratio."""
    project = make_project()
    output(["make", "run", f"PERIOD={PERIOD}"], project)
    python = project / ".venv/bin/python"
    works = {
        name: partial(seconds, [python, "-c", code, "run", "--period", PERIOD], project)
        for name, code in {"as it is": RUN, "by default": BY_DEFAULT}.items()
    }
    took = in_turns(works)
    ratio = took["by default"] / took["as it is"]
    row = ["a run that is done", *(f"{second:.1f}" for second in took.values()), f"{ratio:.2f} x"]
    show("Collecting garbage, seconds", ["", *took, "ratio"], [row])
