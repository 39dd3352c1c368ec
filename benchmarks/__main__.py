"""Print the template's costs, as ratios to the costs of the same work without it.

    make bench                     # all, in some minutes
    make bench ARGS='data repro'   # some

Absolute times differ between machines, ratios less so.
"""

import argparse
import tempfile
from functools import cache, partial
from pathlib import Path

from . import airflow, busy, collector, data, first, render, repro, run, stack

QUESTIONS = {
    "first": first.main,
    "run": run.main,
    "repro": repro.main,
    "data": data.main,
    "render": render.main,
    "airflow": airflow.main,
    "stack": stack.main,
    "busy": busy.main,
    "collector": collector.main,
}


def main() -> None:
    """Run the named benchmarks, or all."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("question", nargs="*", help=", ".join(QUESTIONS))
    asked = parser.parse_args().question or list(QUESTIONS)
    if unknown := set(asked) - set(QUESTIONS):
        parser.error(f"{', '.join(unknown)}: no such benchmark; there are {', '.join(QUESTIONS)}")
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        # All benchmarks share one project. Its first run, in `first`, compiles all imports.
        project = cache(partial(first.from_nothing, Path(made)))
        for question in asked:
            QUESTIONS[question](project)


if __name__ == "__main__":
    main()
