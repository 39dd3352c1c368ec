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
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from time import monotonic
from typing import Generic, TypeVar, get_args
from urllib.request import urlopen

from prometheus_client import Metric
from prometheus_client.registry import Collector
from pydantic import BaseModel, TypeAdapter
from upath import UPath

from .. import room
from ..config import Params
from ..errors import one_line, redact
from ..periods import LONGEST_DAYS, bounds, is_period
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
Samples = Iterable[tuple[dict[str, str], float]]


class CachedProbe(Generic[Answer]):
    """A slow probe that runs in a thread, and its last answer."""

    def __init__(self, name: str, ask: Callable[[], Answer]) -> None:
        """Start the first probe.

        Args:
            name: what is probed, for the log.
            ask: the probe; it returns the answer.
        """
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


@dataclass(frozen=True)
class InUse:
    """The champion, and when it was registered."""

    champion: Champion
    registered: datetime


def in_use(model_name: str) -> InUse | None:
    """Return the champion, None before the first release."""
    from ..registry import client, registry

    champion = registry.champion(model_name) if client.exists() else None
    if champion is None:
        return None
    return InUse(champion, registry.registered_at(model_name, champion.version))


class _Component(BaseModel):
    status: str | None


def health(url: str) -> dict[str, bool]:
    """Return which components work, by a health page of Airflow's form.

    Args:
        url: the page; it has `null` for a component that never ran.

    Raises:
        OSError: it does not answer, or answers with an error.
        ValueError: it has another form.
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

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        runs, runs_up = self._runs.answer()
        champion, tracker_up = self._champion.answer()
        components = self._components().items()
        yield gauge("pipeline_runs_up", runs_up)
        yield gauge("pipeline_tracker_up", tracker_up)
        yield gauge("pipeline_orchestrator_up", [({"component": c}, up) for c, up in components])
        yield from of_settings(self._params)
        yield from of_runs(runs or Runs())
        yield from of_periods(runs or Runs())
        yield from of_scores(runs or Runs(), getattr(self._params.evaluate, "floor", None))
        yield from of_champion(champion)

    def _components(self) -> dict[str, bool]:
        """Return which components work; without its API server, nothing is known of the others."""
        if self._health is None:
            return {}
        others, answers = self._health.answer()
        return {"api-server": answers} | (others if others and answers else {})


def gauge(name: str, samples: Samples | float | None) -> Metric:
    """Return a gauge with a value, or with one for each set of labels; None: without a value."""
    metric = Metric(name, METRICS[name], "gauge")
    if isinstance(samples, int | float):
        samples = [({}, samples)]
    for labels, value in samples or []:
        metric.add_sample(name, labels, value)
    return metric


def of_settings(params: Params) -> Iterator[Metric]:
    """Yield what rules and dashboards need to know of the parameters and the headline metric."""
    ours = room.evaluation()
    better = "higher" if ours.HIGHER_IS_BETTER else "lower"
    labels = {"metric": ours.HEADLINE, "label": ours.HEADLINE_LABEL, "better": better}
    yield gauge("pipeline_headline_info", [(labels, 1)])
    yield gauge("pipeline_headline_floor", getattr(params.evaluate, "floor", None))
    yield gauge("pipeline_headline_quality_drop", params.alerts.quality_drop)
    yield gauge("pipeline_period_days", LONGEST_DAYS)
    yield gauge("pipeline_deadline_days", params.deadlines.champion_days)


def of_runs(runs: Runs) -> Iterator[Metric]:
    """Yield the metrics of runs as such."""
    counted = Counter(run.result.status for run in runs.ended)
    statuses: dict[str, int] = {s: counted[s] for s in get_args(Status) if s != "nothing_new"}
    statuses["unfinished"] = len(runs.unfinished)
    last = runs.ended[-1:]
    good = [run for run in runs.ended if run.result.status in ("released", "kept_champion")][-1:]
    failed = [run for run in runs.ended if run.result.status == "failed"][-1:]
    begun = [({"run_id": run.run_id, "period": run.period}, run) for run in runs.unfinished]
    yield gauge("pipeline_runs", [({"status": status}, n) for status, n in statuses.items()])
    yield gauge("pipeline_unreadable_runs", runs.unreadable)
    last_labels = [(run.labels("run_id", "period", "status"), 1) for run in last]
    yield gauge("pipeline_last_run_info", last_labels)
    yield gauge("pipeline_last_run_end_timestamp_seconds", [({}, run.at) for run in last])
    yield gauge("pipeline_last_success_timestamp_seconds", [({}, run.at) for run in good])
    failures = [(run.labels("run_id", "period", "step"), run.at) for run in failed]
    yield gauge("pipeline_last_failure_timestamp_seconds", failures)
    started = [(labels, run.begun) for labels, run in begun]
    yield gauge("pipeline_unfinished_run_begin_timestamp_seconds", started)
    active = [(labels, run.active) for labels, run in begun]
    yield gauge("pipeline_unfinished_run_active_timestamp_seconds", active)


def of_periods(runs: Runs) -> Iterator[Metric]:
    """Yield the metrics of the newest run for each period."""
    newest = {run.result.period: run for run in runs.ended if is_period(run.result.period)}
    results = {period: run.result for period, run in newest.items()}

    def by(label: str, values: Mapping[str, Mapping[str, float]]) -> Samples:
        """Return a sample for each period and value of another label."""
        return [
            ({"period": period, label: name}, value)
            for period, named in values.items()
            for name, value in named.items()
        ]

    starts = [({"period": p}, bounds(p, "UTC")[0].timestamp()) for p in newest]
    yield gauge("pipeline_period_start_timestamp_seconds", starts)
    infos = [(run.labels("run_id", "period", "status", "step"), 1) for run in newest.values()]
    yield gauge("pipeline_run_info", infos)
    ends = [({"period": p}, run.at) for p, run in newest.items()]
    yield gauge("pipeline_run_end_timestamp_seconds", ends)
    took = [({"period": p}, r.seconds["all"]) for p, r in results.items() if "all" in r.seconds]
    yield gauge("pipeline_run_seconds", took)
    steps = {p: [s for s in {**r.seconds, **r.retries} if s != "all"] for p, r in results.items()}
    seconds = {p: {s: results[p].seconds.get(s, 0) for s in found} for p, found in steps.items()}
    retries = {p: {s: results[p].retries.get(s, 0) for s in found} for p, found in steps.items()}
    yield gauge("pipeline_step_seconds", by("step", seconds))
    yield gauge("pipeline_step_retries", by("step", retries))
    yield gauge("pipeline_rows", by("kind", {p: r.rows for p, r in results.items()}))
    findings = {p: run.findings for p, run in newest.items()}
    yield gauge("pipeline_data_findings", by("table", findings))


def of_scores(runs: Runs, floor: float | None) -> Iterator[Metric]:
    """Yield the metrics of models on each period, of its challenger and of the champion then."""
    ours = room.evaluation()
    evaluated = {run.result.period: run for run in runs.ended if run.result.metrics}
    scores = [
        ({"period": period, "model": model}, metrics)
        for period, run in evaluated.items()
        for model, metrics in (
            ("challenger", run.result.metrics),
            ("champion", run.champion_metrics),
        )
    ]
    every = [(labels | {"metric": m}, v) for labels, found in scores for m, v in found.items()]
    yield gauge("pipeline_model_score", every)
    headline = [
        (labels, found[ours.HEADLINE]) for labels, found in scores if ours.HEADLINE in found
    ]
    yield gauge("pipeline_headline_score", headline)
    sign = 1 if ours.HIGHER_IS_BETTER else -1
    margins = [] if floor is None else [(at, sign * (value - floor)) for at, value in headline]
    yield gauge("pipeline_headline_margin", margins)


def of_champion(now: InUse | None) -> Iterator[Metric]:
    """Yield the metrics of the champion."""
    champions = [now.champion] if now else []
    infos = [({"version": c.version, "period": c.period, "run_id": c.run_id}, 1) for c in champions]
    yield gauge("pipeline_champion_info", infos)
    scores = [({"metric": name}, value) for c in champions for name, value in c.metrics.items()]
    yield gauge("pipeline_champion_score", scores)
    headline = room.evaluation().HEADLINE
    yield gauge(
        "pipeline_champion_headline", champions[0].metrics.get(headline) if champions else None
    )
    registered = now.registered.timestamp() if now else None
    yield gauge("pipeline_champion_registered_timestamp_seconds", registered)
