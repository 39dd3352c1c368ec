"""All run directories, as the metrics need them."""

import logging
from collections import Counter
from dataclasses import dataclass, field

from upath import UPath

from .. import room
from ..errors import one_line
from ..files import read_json
from ..periods import CADENCE, cadence_of
from ..results import Evaluation, Planned, Quality, Result
from ..run import Run, RunDir

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ended:
    """A run that has a result."""

    result: Result
    at: float
    """When it ended, in seconds since 1970."""
    champion_metrics: dict[str, float]
    """The champion's on the run's period, where it was compared."""
    findings: dict[str, int]
    """How many findings its period has, by table; empty where the data were not checked."""

    def labels(self, *fields: str) -> dict[str, str]:
        """Return fields of the result as labels."""
        return {name: getattr(self.result, name) or "" for name in fields}


@dataclass(frozen=True)
class Unfinished:
    """A run that was planned and has no result (yet)."""

    run_id: str
    period: str
    begun: float
    """When it was first planned, in seconds since 1970."""
    active: float
    """When its newest step started."""


@dataclass(frozen=True)
class Runs:
    """All runs whose folders are kept."""

    ended: list[Ended] = field(default_factory=list)
    """In the order in which they ended."""
    unfinished: list[Unfinished] = field(default_factory=list)
    """The newest of each period, unless another run for it has ended since."""
    unreadable: int = 0


def is_current(period: str) -> bool:
    """Return whether a period is of the project's cadence: before a change of that, others were."""
    return cadence_of(period) in (CADENCE, None)


class RunFolders:
    """The folder of all runs. A result is read once: it is only replaced whole."""

    def __init__(self, root: UPath) -> None:
        """Take the folder; nothing is read yet."""
        self._root = root
        self._known: dict[str, Ended] = {}

    def read(self) -> Runs:
        """Return all runs; those with a broken file are counted, and do not hide the others."""
        self._root.fs.invalidate_cache()  # fsspec caches listings
        ended, unfinished, unreadable = [], [], 0
        plans = {file.parent for file in self._root.glob("*/plan.json")}
        results = {file.parent for file in self._root.glob("*/result.json")}
        for folder in sorted(plans | results, key=str):
            run_dir = RunDir(Run(run_id=folder.name, period="", folder=str(folder)))
            try:
                if folder in results:
                    ended.append(self._ended(run_dir))
                else:
                    unfinished.append(_unfinished(run_dir))
            except (OSError, ValueError, KeyError) as error:
                log.warning("run %s cannot be read: %s", folder.name, one_line(error))
                unreadable += 1
        ended = [run for run in ended if is_current(run.result.period)]
        unfinished = [run for run in unfinished if is_current(run.period)]
        ended.sort(key=lambda run: run.at)
        unfinished.sort(key=lambda run: run.begun)
        last = {run.result.period: run.at for run in ended}
        waiting = {run.period: run for run in unfinished if run.active > last.get(run.period, 0)}
        return Runs(ended, list(waiting.values()), unreadable)

    def _ended(self, run_dir: RunDir) -> Ended:
        at, name = run_dir.result.stat().st_mtime, run_dir.folder.name
        if name not in self._known or self._known[name].at != at:
            self._known[name] = _read_ended(run_dir, at)
        return self._known[name]


def _read_ended(run_dir: RunDir, at: float) -> Ended:
    result = read_json(run_dir.result, Result)
    compared, findings = None, {}
    if result.metrics and run_dir.evaluation.exists():
        compared = read_json(run_dir.evaluation, Evaluation).champion_metrics
    if run_dir.quality.exists():
        period = read_json(run_dir.quality, Quality).periods[result.period]
        found = Counter(finding.table for finding in period.findings)
        findings = dict.fromkeys(room.tables().TABLES, 0) | found
    return Ended(result, at, compared or {}, findings)


def _unfinished(run_dir: RunDir) -> Unfinished:
    plan = read_json(run_dir.plan, Planned)
    begun = plan.begun.timestamp()
    tries = [file.stat().st_mtime for file in run_dir.tries.glob("*.txt")]
    return Unfinished(run_dir.folder.name, plan.period, begun, max(tries, default=begun))
