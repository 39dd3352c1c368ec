"""The pipeline's metrics for Prometheus, from what runs leave behind and what the tracker knows.

All are gauges: a run is a matter of minutes in a month, and its processes are gone when Prometheus
asks. Folders and tracker may be far away; they are asked now and then, in threads, and a scrape is
told what was known last where they take long. Nothing is written anywhere.

`HEALTH_URL` in the environment may name the orchestrator's health page; it is asked, too.
"""

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from time import monotonic
from typing import Generic, TypeVar, get_args
from urllib.request import urlopen

from prometheus_client import Metric
from prometheus_client.registry import Collector
from pydantic import BaseModel, TypeAdapter
from upath import UPath

from .errors import in_a_line, without_passwords
from .months import is_month
from .params import Params
from .results import Champion, Result, Status
from .source import MONTHLY, UNDATED
from .workspace import Run, Workspace, read_json

log = logging.getLogger(__name__)

KEPT = 15.0
"""Seconds for which an answer is good enough."""
PATIENCE = 2.5
"""Seconds that a scrape waits for a new one, of three: Prometheus gives up after ten in all."""

Answer = TypeVar("Answer")
Samples = Iterable[tuple[dict[str, str], float]]


class Lately(Generic[Answer]):
    """What somebody slow was asked, and last answered."""

    def __init__(self, name: str, ask: Callable[[], Answer]) -> None:
        """Ask for the first time, in a thread.

        Args:
            name: who is asked, for the log.
            ask: asks.
        """
        self._name, self._ask = name, ask
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._asked = self._ask_now()
        self._last: Answer | None = None

    def answer(self) -> tuple[Answer | None, bool]:
        """Return the last answer, None where there never was one, and whether it is good now."""
        if self._asked.done() and monotonic() - self._at > KEPT:
            self._asked = self._ask_now()
        try:
            self._last = self._asked.result(PATIENCE)
        except Exception as error:  # noqa: BLE001 - whatever is wrong, the other metrics go out
            log.warning("%s: no answer: %s", self._name, without_passwords(in_a_line(error)))
            return self._last, False
        return self._last, True

    def _ask_now(self) -> Future[Answer]:
        self._at = monotonic()
        return self._thread.submit(self._ask)


class _Planned(BaseModel):
    begun: datetime
    period: str


class _Evaluation(BaseModel):
    champion_metrics: dict[str, float] | None


class _Finding(BaseModel):
    table: str


class _Month(BaseModel):
    findings: list[_Finding]


class _Quality(BaseModel):
    months: dict[str, _Month]


@dataclass(frozen=True)
class Ended:
    """A run that has a result."""

    result: Result
    at: float
    """When it ended, in seconds since 1970."""
    champion_metrics: dict[str, float]
    """The champion's on the run's period, where it was compared."""
    findings: dict[str, int]
    """How much is wrong with the data of its period, by table; empty where nobody looked."""

    def named(self, *fields: str) -> dict[str, str]:
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
    """When its newest step was begun."""


@dataclass(frozen=True)
class Runs:
    """All runs whose folders are kept."""

    ended: list[Ended] = field(default_factory=list)
    """In the order in which they ended."""
    unfinished: list[Unfinished] = field(default_factory=list)
    """The newest of each period, unless another run for it ended since."""
    unreadable: int = 0


class RunFolders:
    """The folder of all runs; a result is read once, for it only changes as a whole."""

    def __init__(self, root: UPath) -> None:
        """Take the folder; nothing is read yet."""
        self._root = root
        self._known: dict[str, Ended] = {}

    def read(self) -> Runs:
        """Return what lies there; what is broken is counted, and keeps no other from being read."""
        self._root.fs.invalidate_cache()  # fsspec remembers listings
        ended, unfinished, unreadable = [], [], 0
        plans = {file.parent for file in self._root.glob("*/plan.json")}
        results = {file.parent for file in self._root.glob("*/result.json")}
        for folder in sorted(plans | results, key=str):
            workspace = Workspace(Run(run_id=folder.name, period="", folder=str(folder)))
            try:
                if folder in results:
                    ended.append(self._ended(workspace))
                else:
                    unfinished.append(_unfinished(workspace))
            except (OSError, ValueError, KeyError) as error:
                log.warning("run %s cannot be read: %s", folder.name, in_a_line(error))
                unreadable += 1
        ended.sort(key=lambda run: run.at)
        unfinished.sort(key=lambda run: run.begun)
        last = {run.result.period: run.at for run in ended}
        waiting = {run.period: run for run in unfinished if run.active > last.get(run.period, 0)}
        return Runs(ended, list(waiting.values()), unreadable)

    def _ended(self, workspace: Workspace) -> Ended:
        at, name = workspace.result.stat().st_mtime, workspace.folder.name
        if name not in self._known or self._known[name].at != at:
            result = read_json(workspace.result, Result)
            compared: dict[str, float] | None = None
            if result.metrics and workspace.evaluation.exists():
                compared = read_json(workspace.evaluation, _Evaluation).champion_metrics
            findings: dict[str, int] = {}
            if workspace.quality.exists():
                month = read_json(workspace.quality, _Quality).months[result.period]
                found = Counter(finding.table for finding in month.findings)
                findings = dict.fromkeys((*MONTHLY, *UNDATED), 0) | found
            self._known[name] = Ended(result, at, compared or {}, findings)
        return self._known[name]


def _unfinished(workspace: Workspace) -> Unfinished:
    plan = read_json(workspace.plan, _Planned)
    begun = plan.begun.timestamp()
    tries = [file.stat().st_mtime for file in workspace.tries.glob("*.txt")]
    return Unfinished(workspace.folder.name, plan.period, begun, max(tries, default=begun))


@dataclass(frozen=True)
class InUse:
    """The champion, as the tracker has it."""

    champion: Champion
    registered: datetime


def in_use(model_name: str) -> InUse | None:
    """Return the champion, None before the first release."""
    from . import tracking  # it imports for seconds

    champion = tracking.champion(model_name) if tracking.is_there() else None
    if champion is None:
        return None
    return InUse(champion, tracking.registered_at(model_name, champion.version))


class _Component(BaseModel):
    status: str | None


def health(url: str) -> dict[str, bool]:
    """Return which components work, as a health page of Airflow's form has it.

    Args:
        url: the page; it says `null` of a component that was never there.

    Raises:
        OSError: it does not answer, or with an error.
        ValueError: it is of another form.
    """
    with urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310 - whoever runs this chose it
        told = TypeAdapter(dict[str, _Component]).validate_json(answer.read())
    return {name.replace("_", "-"): part.status == "healthy" for name, part in told.items()}


class PipelineMetrics(Collector):
    """What Prometheus is told; `docs/operate.md` says what its rules make of it."""

    def __init__(self, params: Params) -> None:
        """Begin to look at runs and tracker, as the parameters name them."""
        self._floor, self._days = params.evaluate.min_auc, params.deadlines.champion_days
        self._runs = Lately("runs", RunFolders(UPath(params.runs)).read)
        self._champion = Lately("tracker", partial(in_use, params.model_name))
        url = os.environ.get("HEALTH_URL")
        self._health = Lately("orchestrator", partial(health, url)) if url else None

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        runs, runs_up = self._runs.answer()
        champion, tracker_up = self._champion.answer()
        yield gauge("pipeline_runs_up", "Whether the folder of runs can be read.", runs_up)
        yield gauge("pipeline_tracker_up", "Whether the tracker answers.", tracker_up)
        yield gauge("pipeline_auc_floor", "The AUC that a challenger must reach.", self._floor)
        yield gauge(
            "pipeline_deadline_days",
            "The days after its end within which a month must have a champion, if that is set.",
            [({}, self._days)] if self._days else [],
        )
        yield gauge(
            "pipeline_orchestrator_up",
            "Whether a component of the orchestrator works, where it has a health page.",
            [({"component": name}, works) for name, works in self._components().items()],
        )
        yield from of_runs(runs or Runs())
        yield from of_periods(runs or Runs())
        yield from of_champion(champion)

    def _components(self) -> dict[str, bool]:
        """Return which components work: of the others nothing is known without the API server."""
        if self._health is None:
            return {}
        others, answers = self._health.answer()
        return {"api-server": answers} | (others if others and answers else {})


def gauge(name: str, what: str, samples: Samples | float) -> Metric:
    """Return a gauge with a value, or with one for each set of labels."""
    metric = Metric(name, what, "gauge")
    for labels, value in [({}, samples)] if isinstance(samples, int | float) else samples:
        metric.add_sample(name, labels, value)
    return metric


def of_runs(runs: Runs) -> Iterator[Metric]:
    """Yield what is known of runs as such."""
    counted = Counter(run.result.status for run in runs.ended)
    statuses: dict[str, int] = {s: counted[s] for s in get_args(Status) if s != "nothing_new"}
    statuses["unfinished"] = len(runs.unfinished)
    good = [run for run in runs.ended if run.result.status in ("released", "kept_champion")]
    failed = [run for run in runs.ended if run.result.status == "failed"]
    begun = [({"run_id": run.run_id, "period": run.period}, run) for run in runs.unfinished]
    yield gauge(
        "pipeline_runs",
        "Runs whose folders are kept, by status.",
        [({"status": status}, count) for status, count in statuses.items()],
    )
    yield gauge("pipeline_unreadable_runs", "Runs with a broken file.", runs.unreadable)
    yield gauge(
        "pipeline_last_run_info",
        "The run that ended last.",
        [(run.named("run_id", "period", "status"), 1) for run in runs.ended[-1:]],
    )
    yield gauge(
        "pipeline_last_run_end_timestamp_seconds",
        "When the last run ended.",
        [({}, run.at) for run in runs.ended[-1:]],
    )
    yield gauge(
        "pipeline_last_success_timestamp_seconds",
        "When the last run ended that released a model, or kept the champion.",
        [({}, run.at) for run in good[-1:]],
    )
    yield gauge(
        "pipeline_last_failure_timestamp_seconds",
        "When the last run ended that failed, and was not started again.",
        [(run.named("run_id", "period", "step"), run.at) for run in failed[-1:]],
    )
    yield gauge(
        "pipeline_unfinished_run_begin_timestamp_seconds",
        "When a run without a result was first planned.",
        [(labels, run.begun) for labels, run in begun],
    )
    yield gauge(
        "pipeline_unfinished_run_active_timestamp_seconds",
        "When a run without a result last began a step.",
        [(labels, run.active) for labels, run in begun],
    )


def of_periods(runs: Runs) -> Iterator[Metric]:
    """Yield what is known of the newest run for each period."""
    newest = {run.result.period: run for run in runs.ended if is_month(run.result.period)}
    judged = {run.result.period: run for run in runs.ended if run.result.metrics}
    steps = [
        (run.result, step, {"period": period, "step": step})
        for period, run in newest.items()
        for step in {**run.result.seconds, **run.result.retries}
        if step != "all"
    ]
    yield gauge(
        "pipeline_period_start_timestamp_seconds",
        "When a period began.",
        [({"period": p}, datetime.fromisoformat(f"{p}-01T00:00Z").timestamp()) for p in newest],
    )
    yield gauge(
        "pipeline_run_info",
        "The newest run for a period that ended, and the step that it failed at.",
        [(run.named("run_id", "period", "status", "step"), 1) for run in newest.values()],
    )
    yield gauge(
        "pipeline_run_end_timestamp_seconds",
        "When it ended.",
        [({"period": period}, run.at) for period, run in newest.items()],
    )
    yield gauge(
        "pipeline_run_seconds",
        "How long it took, from its first plan to its end.",
        [
            ({"period": period}, run.result.seconds["all"])
            for period, run in newest.items()
            if "all" in run.result.seconds
        ],
    )
    yield gauge(
        "pipeline_step_seconds",
        "How long a step of it took, its months added up.",
        [(labels, result.seconds.get(step, 0)) for result, step, labels in steps],
    )
    yield gauge(
        "pipeline_step_retries",
        "How often a step of it was tried again.",
        [(labels, result.retries.get(step, 0)) for result, step, labels in steps],
    )
    yield gauge(
        "pipeline_rows",
        "Rows that it ingested, found cancelled, trained on and scored.",
        [
            ({"period": period, "kind": kind}, count)
            for period, run in newest.items()
            for kind, count in run.result.rows.items()
        ],
    )
    yield gauge(
        "pipeline_data_findings",
        "Ways in which the data of a period break the contract.",
        [
            ({"period": period, "table": table}, count)
            for period, run in newest.items()
            for table, count in run.findings.items()
        ],
    )
    yield gauge(
        "pipeline_model_score",
        "Metrics on a period, of its challenger and of the champion of the time.",
        [
            ({"period": period, "model": model, "metric": metric}, value)
            for period, run in judged.items()
            for model, metrics in (
                ("challenger", run.result.metrics),
                ("champion", run.champion_metrics),
            )
            for metric, value in metrics.items()
        ],
    )


def of_champion(now: InUse | None) -> Iterator[Metric]:
    """Yield what is known of the version in use."""
    champions = [now.champion] if now else []
    yield gauge(
        "pipeline_champion_info",
        "The version in use, and the period that it was judged on.",
        [({"version": c.version, "period": c.period, "run_id": c.run_id}, 1) for c in champions],
    )
    yield gauge(
        "pipeline_champion_score",
        "Its metrics on that period, before its release.",
        [({"metric": metric}, value) for c in champions for metric, value in c.metrics.items()],
    )
    yield gauge(
        "pipeline_champion_registered_timestamp_seconds",
        "When it was registered, to be released.",
        [({}, now.registered.timestamp())] if now else [],
    )
