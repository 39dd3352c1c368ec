"""Kills a process of a run at a chosen file, without a change of the project's code."""

from dataclasses import dataclass
from pathlib import Path

# A Python with this on its path kills itself just before it renames a file to the given name: the
# file is written, but not yet there. The first process that does so removes the order.
SITE = """
import os, pathlib, signal

order, rename = pathlib.Path(os.environ["DIES_AT"]), pathlib.PosixPath.replace

def die_or_rename(part, name):
    try:
        if order.read_text() in str(name):
            order.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
    except FileNotFoundError:
        pass
    return rename(part, name)

pathlib.PosixPath.replace = die_or_rename
"""

# For each step, a file that it makes.
PLACES = {
    "plan": "/plan.json",
    "ingest": "/raw/flights",
    "validate": "/quality.json",
    "snapshot": "/snapshot.json",
    "features": "/features/",
    "train": "/model.pkl",
    "evaluate": "/evaluation.json",
    "release": "/release.json",  # the alias is set
    "report": "/result.json",
}


@dataclass(frozen=True)
class Killer:
    """Kills processes that have its `variables` in their environment."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir()
        (self.folder / "sitecustomize.py").write_text(SITE, encoding="utf-8")

    @property
    def variables(self) -> dict[str, str]:
        return {"PYTHONPATH": str(self.folder), "DIES_AT": str(self.folder / "order")}

    def at(self, place: str) -> None:
        """Kill the next process that is about to rename a file to a name with this in it."""
        (self.folder / "order").write_text(place, encoding="utf-8")

    @property
    def done(self) -> bool:
        """Return whether a process was killed."""
        return not (self.folder / "order").exists()
