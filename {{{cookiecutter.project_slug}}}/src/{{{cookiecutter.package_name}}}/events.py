"""What people should know of a run, and what they need to know of it at three in the morning."""

import platform
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from .errors import without_passwords
from .results import Result
from .workspace import Run, Workspace, read_json

Kind = Literal[
    "run_failed",
    "run_crashed",
    "quarantined",
    "challenger_rejected",
    "champion_changed",
    "deadline_missed",
    "deployed",
    "deploy_failed",
    "drift",
    "monitoring",
    "test",
]
Severity = Literal["info", "warning", "critical"]

# How urgent each kind is, unless an event says otherwise: a rule of the monitoring does.
SEVERITY: dict[Kind, Severity] = {
    "run_failed": "critical",
    "run_crashed": "critical",
    "quarantined": "warning",
    "challenger_rejected": "info",
    "champion_changed": "info",
    "deadline_missed": "critical",
    "deployed": "info",
    "deploy_failed": "critical",
    "drift": "warning",
    "monitoring": "warning",
    "test": "info",
}

FINDINGS_SHOWN = 3
LONGEST = 300
"""Characters of a line: messengers refuse, or cut, what is too long."""

Line = Annotated[str, AfterValidator(lambda line: shortened(without_passwords(line)))]


class Event(BaseModel, frozen=True):
    """Something that people should know."""

    kind: Kind
    severity: Severity = Field(default_factory=lambda given: SEVERITY[given["kind"]])
    """How urgent it is; by default as its kind is."""
    title: Line
    """What happened, in a few words, such as `2013-06 failed at train`."""
    reason: Line
    """Why, in a line."""
    facts: list[Line] = []
    """What else matters: findings, metrics."""
    period: str = ""
    run_id: str = ""
    step: str | None = None
    """The step that failed for good."""
    run_url: str | None = None
    """The run in the orchestrator's pages."""
    tracker_url: str | None = None
    """The run in the tracker's pages."""
    rerun: str | None = None
    """The command that starts the work again; it goes on where it stopped."""
    attempt: str = ""
    """The orchestrator's own id of this try: a later one may fail, too, and is to say so."""

    @property
    def named(self) -> dict[str, str]:
        """What is known of the run, by the names that people read."""
        named = {
            "run": self.run_id,
            "period": self.period,
            "step": self.step,
            "severity": self.severity,
            "page of the run": self.run_url,
            "tracker": self.tracker_url,
            "once mended": self.rerun,
            "where": f"{platform.node()}:{Path.cwd()}",
        }
        return {name: value for name, value in named.items() if value}

    @property
    def all_facts(self) -> list[str]:
        """All but title and reason, a line each."""
        return self.facts + [f"{name}: {value}" for name, value in self.named.items()]


class _Evaluation(BaseModel):
    """What is told of `evaluation.json`; the step that writes it imports for seconds."""

    metrics: dict[str, float]
    champion_metrics: dict[str, float] | None


class _Quarantined(BaseModel):
    """What is told of a month in quarantine."""

    findings: list[str]


class _Quarantine(BaseModel):
    """What is told of `quarantine.json`; the step that writes it imports for seconds, too."""

    months: dict[str, _Quarantined]


def shortened(line: str) -> str:
    """Return a line of what may be several, and not all of a long one."""
    one = " ".join(line.split())
    return one if len(one) <= LONGEST else f"{one[:LONGEST]}…"


def outcome(
    run: Run,
    result: Result,
    *,
    attempt: str,
    run_url: str | None,
    rerun: str | None,
) -> Event | None:
    """Return what is to be said of a run that ended, None where nothing is.

    Args:
        run: the run.
        result: how it ended.
        attempt: the orchestrator's own id of this try.
        run_url: the run in the orchestrator's pages.
        rerun: the command that starts the work again.
    """
    told = {
        "reason": result.reason,
        "period": run.period,
        "run_id": run.run_id,
        "tracker_url": result.tracker_url,
        "run_url": run_url,
    }
    match result.status:
        case "failed":
            where = f" at {result.step}" if result.step else ""
            return Event(
                kind="run_failed",
                title=f"{run.period or 'a run'} failed{where}",
                step=result.step,
                attempt=attempt,
                rerun=rerun,
                **told,
            )
        case "quarantined":
            return Event(
                kind="quarantined",
                title=f"{run.period} is in quarantine",
                facts=[*_worst_findings(run), *_staying(result)],
                rerun=rerun,
                **told,
            )
        case "kept_champion":
            return Event(
                kind="challenger_rejected",
                title=f"{run.period}: the challenger was rejected",
                facts=_metrics(run, "the champion's"),
                **told,
            )
        case "released":
            now = f"version {result.champion_after.version}" if result.champion_after else "new"
            return Event(
                kind="champion_changed",
                title=f"{run.period}: the champion is {now}",
                facts=_metrics(run, "the former champion's"),
                **told,
            )
    return None


def _staying(result: Result) -> list[str]:
    if result.champion_after is None:
        return []
    return [f"the champion stays: version {result.champion_after.version}"]


def _worst_findings(run: Run) -> list[str]:
    """Return the findings that are worst: those of the run's own month, the largest share first."""
    file = Workspace(run).quarantine
    months = read_json(file, _Quarantine).months if file.exists() else {}
    found = [(month, finding) for month, told in months.items() for finding in told.findings]
    found.sort(key=lambda one: (one[0] != run.period, -_share(one[1]), one[0]))
    worst = [f"{month}: {finding}" for month, finding in found[:FINDINGS_SHOWN]]
    return worst + [f"and {len(found) - FINDINGS_SHOWN} more"] * (len(found) > FINDINGS_SHOWN)


def _share(finding: str) -> float:
    """Return how many percent a finding is about: all, where it names no share."""
    share = re.search(r"([\d.]+)% ", finding)
    return float(share[1]) if share else 100.0


def _metrics(run: Run, whose: str) -> list[str]:
    """Return the metrics of challenger and champion on the run's month, side by side."""
    file = Workspace(run).evaluation
    if not file.exists():
        return []
    evaluation = read_json(file, _Evaluation)
    old = evaluation.champion_metrics or {}
    return [
        f"{name.replace('_', ' ')} {value:.4f}"
        + (f", {whose} {old[name]:.4f}" if name in old else "")
        for name, value in evaluation.metrics.items()
    ]
