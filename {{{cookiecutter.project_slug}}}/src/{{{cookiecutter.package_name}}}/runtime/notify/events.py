"""Events: what people are alerted of, with what they need at three in the morning."""

import platform
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from ..errors import redact
from ..files import read_json
from ..results import Evaluation, Quarantine, Result
from ..run import Run, RunDir
from ..wording import listed

Kind = Literal[
    "run_failed",
    "run_crashed",
    "quarantined",
    "challenger_rejected",
    "champion_changed",
    "deadline_missed",
{% if cookiecutter.__has_image %}
    "deployed",
    "deploy_failed",
{% endif %}
    "monitoring",
    "test",
]
Severity = Literal["info", "warning", "critical"]

# How urgent each kind is by default; alerts of the monitoring bring their own.
SEVERITY: dict[Kind, Severity] = {
    "run_failed": "critical",
    "run_crashed": "critical",
    "quarantined": "warning",
    "challenger_rejected": "info",
    "champion_changed": "info",
    "deadline_missed": "critical",
{% if cookiecutter.__has_image %}
    "deployed": "info",
    "deploy_failed": "critical",
{% endif %}
    "monitoring": "warning",
    "test": "info",
}

FINDINGS_SHOWN = 3
LONGEST = 300
"""Characters of a line; messengers refuse or cut longer ones."""

Line = Annotated[str, AfterValidator(lambda line: shorten(redact(line)))]


class Event(BaseModel, frozen=True):
    """Something that people are alerted of."""

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
    tracker: str | None = None
    """The tool that has the run, as people write it."""
    tracker_url: str | None = None
    """The run in its pages."""
    rerun: str | None = None
    """The command that starts the work again, which resumes where it stopped."""
    attempt: str = ""
    """The orchestrator's own id of this try: a later try that fails sends its own alert."""

    @property
    def named(self) -> dict[str, str]:
        """Return what is known of the run, by the names that people read."""
        named = {
            "run": self.run_id,
            "period": self.period,
            "step": self.step,
            "severity": self.severity,
            "page of the run": self.run_url,
            self.tracker or "tracker": self.tracker_url,
            "to resume": self.rerun,
            "where": f"{platform.node()}:{Path.cwd()}",
        }
        return {name: value for name, value in named.items() if value}

    @property
    def all_facts(self) -> list[str]:
        """Return all but title and reason, a line each."""
        return self.facts + [f"{name}: {value}" for name, value in self.named.items()]


def shorten(line: str) -> str:
    """Return text as one line of at most `LONGEST` characters."""
    one = " ".join(line.split())
    return one if len(one) <= LONGEST else f"{one[:LONGEST]}…"


def run_event(
    run: Run, result: Result, *, attempt: str, run_url: str | None, rerun: str
) -> Event | None:
    """Return the event of a run that ended, None where nobody needs to know.

    The keywords are fields of `Event`; those that do not fit the result are left out.
    """
    facts: list[str] = []
    kind: Kind
    match result.status:
        case "failed":
            where = f" at {result.step}" if result.step else ""
            kind, title = "run_failed", f"{run.period or 'a run'} failed{where}"
        case "quarantined":
            kind, title = "quarantined", f"{run.period} is in quarantine"
            facts = _worst_findings(run)
            if result.champion_after:
                facts.append(f"the champion stays: version {result.champion_after.version}")
        case "kept_champion":
            kind, title = "challenger_rejected", f"{run.period}: the challenger was rejected"
            facts = _metrics(run, "the champion's")
        case "released":
            now = f"version {result.champion_after.version}" if result.champion_after else "new"
            kind, title = "champion_changed", f"{run.period}: the champion is {now}"
            facts = _metrics(run, "the former champion's")
        case "nothing_new":
            return None
    return Event(
        kind=kind,
        title=title,
        reason=result.reason,
        facts=facts,
        period=run.period,
        run_id=run.run_id,
        step=result.step,
        run_url=run_url,
        tracker=result.tracker,
        tracker_url=result.tracker_url,
        rerun=rerun if result.status in ("failed", "quarantined") else None,
        attempt=attempt if result.status == "failed" else "",
    )


def _worst_findings(run: Run) -> list[str]:
    """Return the worst findings: first the run's own period, and there the largest share."""
    file = RunDir(run).quarantine
    periods = read_json(file, Quarantine).periods if file.exists() else {}
    found = [(period, finding) for period, bad in periods.items() for finding in bad.findings]

    def share(finding: str) -> float:
        """Return the percentage that a finding names, 100 where it names none."""
        named = re.search(r"([\d.]+)% ", finding)
        return float(named[1]) if named else 100.0

    found.sort(key=lambda one: (one[0] != run.period, -share(one[1]), one[0]))
    worst = [f"{period}: {finding}" for period, finding in found[:FINDINGS_SHOWN]]
    more = len(found) - FINDINGS_SHOWN
    return [*worst, f"and {more} more"] if more > 0 else worst


def _metrics(run: Run, whose: str) -> list[str]:
    """Return the metrics of challenger and champion on the run's period, side by side."""
    file = RunDir(run).evaluation
    if not file.exists():
        return []
    evaluation = read_json(file, Evaluation)
    old = evaluation.champion_metrics or {}
    return [
        listed({name: value}) + (f", {whose} {old[name]:.4f}" if name in old else "")
        for name, value in evaluation.metrics.items()
    ]
