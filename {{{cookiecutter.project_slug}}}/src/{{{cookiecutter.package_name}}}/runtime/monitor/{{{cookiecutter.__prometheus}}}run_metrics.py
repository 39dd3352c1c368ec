"""The pipeline's metrics for Prometheus, from the run directories and the registry.

All are gauges: runs take minutes in a period, and their processes have ended when Prometheus asks.
Directories and registry may be slow, so threads read them, and a scrape that cannot wait gets the
last answer. Nothing is written.

`HEALTH_URL` in the environment may name a page with the health of an orchestrator's components, as
Airflow's API server has one. Prometheus scrapes Prefect's server itself; Kubeflow's cluster is
watched by its operators. There the variable stays unset.
"""

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from time import monotonic
from typing import Generic, Protocol, TypeVar, get_args
from urllib.request import urlopen

from prometheus_client import Metric
from prometheus_client.registry import Collector
from pydantic import BaseModel, TypeAdapter
from upath import UPath

from .. import room
from ..config import Params
from ..errors import one_line, redact
from ..periods import CADENCE, bounds, is_period
from ..results import Champion, Status
from .run_folders import RunFolders, Runs

log = logging.getLogger(__name__)

KEPT = 15.0
"""Seconds for which an answer is fresh."""
PATIENCE = 2.5
"""Seconds that a scrape waits for a fresh answer of each of three: Prometheus allows ten in all."""

METRICS = {
    "pipeline_runs_up": "Whether the folder of runs can be read.",
    "pipeline_tracker_up": "Whether the tracker answers.",
    "pipeline_orchestrator_up": "Whether a component of the orchestrator works.",
    # The parameters, and the metric that decides about releases.
    "pipeline_period_days": "Days of the longest period.",
    "pipeline_deadline_days": "Days after its end within which a period must have a champion.",
    "pipeline_headline_info": "The headline metric, and its direction.",
    "pipeline_headline_floor": "What a challenger must reach.",
    "pipeline_headline_quality_drop": "How far the headline metric may fall below its average.",
    # Runs as such.
    "pipeline_runs": "Runs whose directories are kept, by status.",
    "pipeline_unreadable_runs": "Runs with a broken file.",
    "pipeline_last_run_info": "The run that ended last.",
    "pipeline_last_run_end_timestamp_seconds": "When the last run ended.",
    "pipeline_last_success_timestamp_seconds": "When the last run ended that released or kept.",
    "pipeline_last_failure_timestamp_seconds": "When the last run failed that was not resumed.",
    "pipeline_unfinished_run_begin_timestamp_seconds": "When an unfinished run was planned.",
    "pipeline_unfinished_run_active_timestamp_seconds": "When it last started a step.",
    # The newest run for each period.
    "pipeline_period_start_timestamp_seconds": "When a period began.",
    "pipeline_run_info": "The newest run for a period that ended, and the step that it failed at.",
    "pipeline_run_end_timestamp_seconds": "When it ended.",
    "pipeline_run_seconds": "How long it took, from its first plan to its end.",
    "pipeline_step_seconds": "How long a step of it took, its periods added up.",
    "pipeline_step_retries": "How often a step of it was retried.",
    "pipeline_rows": "Rows that it ingested, found unlabelled, trained on and scored.",
    "pipeline_data_findings": "Findings in the data of a period.",
    # Models: the challenger on each period, and the champion of the time.
    "pipeline_model_score": "Each metric on a period.",
    "pipeline_headline_score": "The headline metric on a period.",
    "pipeline_headline_margin": "How much better than the floor it is; higher is always better.",
    # The version in use.
    "pipeline_champion_info": "The champion, and the period that it was evaluated on.",
    "pipeline_champion_score": "Its metrics on that period, before its release.",
    "pipeline_champion_headline": "Its headline metric on that period.",
    "pipeline_champion_registered_timestamp_seconds": "When it was registered, to be released.",
}
"""What each gauge says. `docs/operate.md` says which alerts are made of them."""

Answer = TypeVar("Answer")


class CachedProbe(Generic[Answer]):
    """A slow probe that runs in a thread, and its last answer."""

    def __init__(self, name: str, ask: Callable[[], Answer]) -> None:
        """Start the first probe; `name` is what is probed, for the log."""
        self._name, self._ask = name, ask
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._asked = self._ask_now()
        self._last: Answer | None = None

    def answer(self) -> tuple[Answer | None, bool]:
        """Return the last answer, None where there never was one, and whether it is fresh."""
        if self._asked.done() and monotonic() - self._at > KEPT:
            self._asked = self._ask_now()
        try:
            self._last = self._asked.result(PATIENCE)
        except Exception as error:  # noqa: BLE001 - whatever fails, the other metrics are served
            log.warning("%s: no answer: %s", self._name, redact(one_line(error)))
            return self._last, False
        return self._last, True

    def _ask_now(self) -> Future[Answer]:
        self._at = monotonic()
        return self._thread.submit(self._ask)


def in_use(model_name: str) -> tuple[Champion, datetime] | None:
    """Return the champion and when it was registered, None before the first release."""
    from ..registry import registry, store

    champion = registry.champion(model_name) if store.exists() else None
    if champion is None:
        return None
    return champion, registry.registered_at(model_name, champion.version)


class _Component(BaseModel):
    status: str | None


def health(url: str) -> dict[str, bool]:
    """Return which components work, by a health page of Airflow's form.

    The page has `null` for a component that never ran.
    """
    with urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310 - the address is the operator's
        components = TypeAdapter(dict[str, _Component]).validate_json(answer.read())
    return {name.replace("_", "-"): part.status == "healthy" for name, part in components.items()}


class PipelineMetrics(Collector):
    """The metrics of a project."""

    def __init__(self, params: Params) -> None:
        """Start to read runs and registry, as the parameters name them."""
        self._params = params
        self._runs = CachedProbe("runs", RunFolders(UPath(params.runs)).read)
        self._champion = CachedProbe("tracker", partial(in_use, params.model_name))
        url = os.environ.get("HEALTH_URL")
        self._health = CachedProbe("orchestrator", partial(health, url)) if url else None

    def collect(self) -> Iterable[Metric]:
        """Return all metrics."""
        runs, runs_up = self._runs.answer()
        champion, tracker_up = self._champion.answer()
        metrics = {name: Metric(name, what, "gauge") for name, what in METRICS.items()}

        def add(name: str, value: float | None, /, **labels: str) -> None:
            if value is not None:
                metrics[name].add_sample(name, labels, value)

        add("pipeline_runs_up", runs_up)
        add("pipeline_tracker_up", tracker_up)
        for component, up in self._components().items():
            add("pipeline_orchestrator_up", up, component=component)
        add_settings(add, self._params)
        known = runs or Runs()
        add_runs(add, known)
        add_periods(add, known)
        add_scores(add, known, getattr(self._params.evaluate, "floor", None))
        if champion:
            add_champion(add, *champion)
        return metrics.values()

    def _components(self) -> dict[str, bool]:
        """Return which components work; without its API server, nothing is known of the others."""
        if self._health is None:
            return {}
        others, answers = self._health.answer()
        return {"api-server": answers} | (others if others and answers else {})


class Add(Protocol):
    """Adds a sample to a metric; None adds nothing."""

    def __call__(self, name: str, value: float | None, /, **labels: str) -> None:
        """Add a value with its labels."""


def add_settings(add: Add, params: Params) -> None:
    """Add what rules and dashboards need to know of the parameters and the headline metric."""
    ours = room.evaluation()
    better = "higher" if ours.HIGHER_IS_BETTER else "lower"
    labels = {"metric": ours.HEADLINE, "label": ours.HEADLINE_LABEL, "better": better}
    add("pipeline_headline_info", 1, **labels)
    add("pipeline_headline_floor", getattr(params.evaluate, "floor", None))
    add("pipeline_headline_quality_drop", params.alerts.quality_drop)
    add("pipeline_period_days", CADENCE.longest_days)
    add("pipeline_deadline_days", params.deadlines.champion_days)


def add_runs(add: Add, runs: Runs) -> None:
    """Add the metrics of runs as such."""
    count = Counter(run.result.status for run in runs.ended)
    for status in get_args(Status):
        if status != "nothing_new":
            add("pipeline_runs", count[status], status=status)
    add("pipeline_runs", len(runs.unfinished), status="unfinished")
    add("pipeline_unreadable_runs", runs.unreadable)
    good = [run for run in runs.ended if run.result.status in ("released", "kept_champion")]
    failed = [run for run in runs.ended if run.result.status == "failed"]
    for run in runs.ended[-1:]:
        add("pipeline_last_run_info", 1, **run.labels("run_id", "period", "status"))
        add("pipeline_last_run_end_timestamp_seconds", run.at)
    for run in good[-1:]:
        add("pipeline_last_success_timestamp_seconds", run.at)
    for run in failed[-1:]:
        labels = run.labels("run_id", "period", "step")
        add("pipeline_last_failure_timestamp_seconds", run.at, **labels)
    for begun in runs.unfinished:
        labels = {"run_id": begun.run_id, "period": begun.period}
        add("pipeline_unfinished_run_begin_timestamp_seconds", begun.begun, **labels)
        add("pipeline_unfinished_run_active_timestamp_seconds", begun.active, **labels)


def add_periods(add: Add, runs: Runs) -> None:
    """Add the metrics of the newest run for each period."""
    newest = {run.result.period: run for run in runs.ended if is_period(run.result.period)}
    for period, run in newest.items():
        seconds, retries = run.result.seconds, run.result.retries
        start = bounds(period, "UTC")[0].timestamp()
        add("pipeline_period_start_timestamp_seconds", start, period=period)
        add("pipeline_run_info", 1, **run.labels("run_id", "period", "status", "step"))
        add("pipeline_run_end_timestamp_seconds", run.at, period=period)
        add("pipeline_run_seconds", seconds.get("all"), period=period)
        for step in {**seconds, **retries}:
            if step != "all":
                add("pipeline_step_seconds", seconds.get(step, 0), period=period, step=step)
                add("pipeline_step_retries", retries.get(step, 0), period=period, step=step)
        for kind, rows in run.result.rows.items():
            add("pipeline_rows", rows, period=period, kind=kind)
        for table, findings in run.findings.items():
            add("pipeline_data_findings", findings, period=period, table=table)


def add_scores(add: Add, runs: Runs, floor: float | None) -> None:
    """Add the metrics of models on each period, of its challenger and of the champion then."""
    ours = room.evaluation()
    sign = 1 if ours.HIGHER_IS_BETTER else -1
    evaluated = {run.result.period: run for run in runs.ended if run.result.metrics}
    for period, run in evaluated.items():
        models = {"challenger": run.result.metrics, "champion": run.champion_metrics}
        for model, metrics in models.items():
            for metric, value in metrics.items():
                add("pipeline_model_score", value, period=period, model=model, metric=metric)
            headline = metrics.get(ours.HEADLINE)
            add("pipeline_headline_score", headline, period=period, model=model)
            if headline is not None and floor is not None:
                margin = sign * (headline - floor)
                add("pipeline_headline_margin", margin, period=period, model=model)


def add_champion(add: Add, champion: Champion, registered: datetime) -> None:
    """Add the metrics of the champion."""
    labels = champion.model_dump(include={"version", "period", "run_id"})
    add("pipeline_champion_info", 1, **labels)
    for metric, value in champion.metrics.items():
        add("pipeline_champion_score", value, metric=metric)
    add("pipeline_champion_headline", champion.metrics.get(room.evaluation().HEADLINE))
    add("pipeline_champion_registered_timestamp_seconds", registered.timestamp())
