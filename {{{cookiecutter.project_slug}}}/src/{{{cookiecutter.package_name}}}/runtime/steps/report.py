"""Where both branches meet: `result.json` for machines, a page with figures for people."""

import io
import logging
import time
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING

from .. import room
from ..files import read_json, read_parquet, write, write_json
from ..registry import pickling, registry, retention, tracker
from ..results import Evaluation, Plan, Quality, Release, Result, Snapshot, Training
from ..run import Run, RunDir, checkpoint, read_plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)


def report(run: Run, orchestrator: str) -> Result:
    """Write `report.html` and `result.json` of a run that came to its end, and return the result.

    `orchestrator` is the name of what ran it.
    """
    started = time.perf_counter()
    run_dir, plan = RunDir(run), read_plan(run)
    quality = read_json(run_dir.quality, Quality)
    result = _result(run, plan, quality, orchestrator)
    html = draw(run, result)
    if quality.good:
        training = read_json(run_dir.training, Training)
        with tracker.open_run(run, plan.params.model_name, training.tracker_id):
            tracker.log_report(result.status, html)
    seconds = checkpoint.seconds(run) | {
        "report": round(time.perf_counter() - started, 3),
        "all": round((datetime.now(UTC) - plan.begun).total_seconds(), 3),
    }
    result = result.model_copy(update={"seconds": seconds, "retries": checkpoint.retries(run)})
    run_dir.sweep()
    # Last: with this file, the run is complete.
    write_json(run_dir.result, result)
    log.info("report: %s %s: %s", result.period, result.status, result.reason)
    retention.prune_runs(plan.params)
    return result


def draw(run: Run, result: Result) -> str:
    """Write `report.html` of a run, and return it."""
    from jinja2 import Environment

    run_dir, plan = RunDir(run), read_plan(run)
    quality = read_json(run_dir.quality, Quality)
    evaluation = read_json(run_dir.evaluation, Evaluation) if quality.good else None
    page = Environment(autoescape=True).from_string(
        files(__package__).joinpath("report.html").read_text(encoding="utf-8")
    )
    html = page.render(
        result=result,
        seconds=checkpoint.seconds(run),
        plan=plan,
        quality=quality,
        evaluation=evaluation,
        metrics=_headline_first(evaluation) if evaluation else [],
        ours=room.evaluation(),
        rows=room.tables().MAIN,
        plots=_plots(run, plan, evaluation) if evaluation else {},
    )
    write(run_dir.report, html.encode())
    return html


def _headline_first(evaluation: Evaluation) -> list[str]:
    """Return the names of the metrics in the order of the page."""
    headline = room.evaluation().HEADLINE
    return sorted(evaluation.metrics, key=lambda name: name != headline)


def _result(run: Run, plan: Plan, quality: Quality, orchestrator: str) -> Result:
    """Return the result of a run, without times."""
    run_dir = RunDir(run)
    known = Result(
        run_id=run.run_id,
        period=run.period,
        status="quarantined",
        reason=quality.reason,
        orchestrator=orchestrator,
        tracker=tracker.NAME,
        rows={
            "ingested": sum(period.rows for period in quality.periods.values()),
            "unlabelled": sum(period.unlabelled for period in quality.periods.values()),
        },
        code_version=plan.code_version,
    )
    if not quality.good:
        champion = registry.champion(plan.params.model_name)
        return known.model_copy(update={"champion_before": champion, "champion_after": champion})
    evaluation = read_json(run_dir.evaluation, Evaluation)
    release = read_json(run_dir.release, Release)
    training = read_json(run_dir.training, Training)
    more = {
        "status": "released" if release.released else "kept_champion",
        "reason": "; ".join([release.reason, *quality.notes]),
        "rows": known.rows | {"trained": training.rows, "scored": evaluation.rows},
        "metrics": evaluation.metrics,
        "champion_before": evaluation.champion,
        "champion_after": release.champion,
        "data_version": read_json(run_dir.snapshot, Snapshot).data_version,
        "tracker_url": training.tracker_url,
    }
    return known.model_copy(update=more)


def _plots(run: Run, plan: Plan, evaluation: Evaluation) -> dict[str, str]:
    """Return the team's figures by title, as SVG."""
    log.info("report: drawing the figures")
    run_dir = RunDir(run)
    headline = room.evaluation().HEADLINE
    slices: dict[str, dict[str, float]] = {}
    for part in evaluation.slices:
        if headline in part.metrics:
            values = slices.setdefault(part.by, {})
            values[f"{part.value}  ({part.rows:,})"] = part.metrics[headline]
    training = read_json(run_dir.training, Training)
    drawn = room.plots().figures(
        pickling.load_run_model(run, training, "run the period again"),
        read_parquet(run_dir.features(plan.period)),
        read_parquet(run_dir.scores)[room.model().PREDICTION].to_numpy(),
        slices,
        plan.params.seed,
    )
    return {title: _svg(figure) for title, figure in drawn.items()}


def _svg(figure: "Figure") -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    drawing = buffer.getvalue()
    return drawing[drawing.index("<svg") :]
