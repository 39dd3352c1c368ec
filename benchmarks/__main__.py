"""Print what the template costs, as ratios to what the same work costs without it.

    make bench                     # all, in some minutes
    make bench ARGS='data repro'   # some

Absolute times differ from machine to machine, the ratios less so.
"""

import argparse
import tempfile
from functools import cache, partial
from pathlib import Path

from . import airflow, busy, data, first, render, repro, run, stack

QUESTIONS = {
    "first": first.main,
    "run": run.main,
    "repro": repro.main,
    "data": data.main,
    "render": render.main,
    "airflow": airflow.main,
    "stack": stack.main,
    "busy": busy.main,
}


def main() -> None:
    """Answer the questions named, or all."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("question", nargs="*", help=", ".join(QUESTIONS))
    asked = parser.parse_args().question or list(QUESTIONS)
    if unknown := set(asked) - set(QUESTIONS):
        parser.error(f"{', '.join(unknown)}: no such question; there are {', '.join(QUESTIONS)}")
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        # One project for all that need one: the first model of `first` is what compiles it.
        project = cache(partial(first.from_nothing, Path(made)))
        for question in asked:
            QUESTIONS[question](project)


if __name__ == "__main__":
    main()
