"""The run, and the names of the files in its directory.

A `Run` is the one value that tasks pass to each other. Everything else is in the run directory.
"""

from pydantic import BaseModel
from upath import UPath

from ..files import is_local

# The files of results that are not called after their steps.
_RESULTS = {
    "ingest": "manifests/{period}.json",
    "validate": "quality.json",
    "features": "features/{period}.json",
    "train": "training.json",
    "evaluate": "evaluation.json",
    "report": "result.json",
}


class Run(BaseModel, frozen=True):
    """One piece of work: training for a period on exactly these data, parameters and code."""

    run_id: str
    """`<period>-<8 hex>`: the same work has the same id."""
    period: str
    """The period that the model is evaluated on."""
    folder: str
    """The run directory, a folder or URI: `<runs>/<run_id>`."""


class RunDir:
    """The directory of a run. Nothing is created by naming its files."""

    def __init__(self, run: Run) -> None:
        """Name the files of `run`."""
        self.folder = UPath(run.folder)
        self.plan = self.folder / "plan.json"
        self.raw = self.folder / "raw"
        """The files of all periods as delivered, laid out like the source."""
        self.quality = self.folder / "quality.json"
        self.quarantine = self.folder / "quarantine.json"
        self.snapshot = self.folder / "snapshot.json"
        self.model = self.folder / "model.pkl"
        self.training = self.folder / "training.json"
        self.scores = self.folder / "scores.parquet"
        self.evaluation = self.folder / "evaluation.json"
        self.curves = self.folder / "curves"
        self.release = self.folder / "release.json"
        self.report = self.folder / "report.html"
        self.result = self.folder / "result.json"
        self.checkpoints = self.folder / "steps"
        """When each step was done, and how long it took."""
        self.tries = self.folder / "tries"
        """How often each step was started."""
        self.locks = self.folder / ".locks"

    def manifest(self, period: str) -> UPath:
        """Return the file that lists what was ingested of a period."""
        return self.folder / "manifests" / f"{period}.json"

    def check(self, period: str) -> UPath:
        """Return the file that says what was found in a period."""
        return self.folder / "checks" / f"{period}.json"

    def features(self, period: str) -> UPath:
        """Return the table of a period's rows."""
        return self.folder / "features" / f"{period}.parquet"

    def curve(self, name: str) -> UPath:
        """Return the points of a curve, as CSV."""
        return self.curves / f"{name}.csv"

    def step_result(self, step: str, period: str | None = None) -> UPath:
        """Return the file with what a step returned; steps of a period have one for each.

        A step that the team added has `<step>.json`, or `<step>-<period>.json`.
        """
        own = "{step}-{period}.json" if period else "{step}.json"
        return self.folder / _RESULTS.get(step, own).format(step=step, period=period)

    def checkpoint(self, name: str) -> UPath:
        """Return the file that says that a step is done."""
        return self.checkpoints / f"{name}.json"

    def lock(self, name: str) -> UPath:
        """Return the lock of a step: one process at a time works on it."""
        return self.locks / name

    def sweep(self) -> None:
        """Remove files that killed processes left half-written; those of the plan are `plan`'s."""
        if is_local(self.folder):
            for part in self.folder.rglob(".*.part"):
                if not part.name.startswith(f".{self.plan.name}."):
                    part.unlink(missing_ok=True)
