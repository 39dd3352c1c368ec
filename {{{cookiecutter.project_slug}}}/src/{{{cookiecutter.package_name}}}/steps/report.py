"""Where both branches meet: `result.json` for machines, a page with plots for people."""

import io
import logging
import pickle
import time
from datetime import UTC, datetime
from importlib.resources import files

import polars as pl
from jinja2 import Environment
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score

from .. import tracking
from ..model import probability
from ..once import retries, seconds
from ..plan import Plan, read_plan
from ..results import Result
from ..workspace import (
    Run,
    Workspace,
    read_json,
    read_parquet,
    write,
    write_json,
)
from .evaluate import SLICES, Evaluation, Slice
from .features import LABEL
from .release import Release
from .train import Training
from .validate import Quality
from .version import DataVersion

log = logging.getLogger(__name__)

IMPORTANCE_ROWS = 2000
BLUE, GREY = "#1f6feb", "#8c959f"


def report(run: Run, orchestrator: str) -> Result:
    """Write `report.html` and `result.json`, and return the result.

    Args:
        run: a run that was released, kept from release, or quarantined.
        orchestrator: the name of what ran it.
    """
    started = time.perf_counter()
    workspace, plan = Workspace(run), read_plan(run)
    quality = read_json(workspace.quality, Quality)
    name = plan.params.model_name
    if quality.good:
        result = _judged(run, plan, quality, orchestrator)
        evaluation = read_json(workspace.evaluation, Evaluation)
        plots = _plots(workspace, plan, evaluation)
    else:
        champion = tracking.champion(name)
        result = Result(
            run_id=run.run_id,
            period=run.period,
            status="quarantined",
            reason=quality.reason,
            orchestrator=orchestrator,
            rows=_counted(quality),
            champion_before=champion,
            champion_after=champion,
            code_version=plan.code_version,
        )
        evaluation, plots = None, {}
    page = Environment(autoescape=True).from_string(
        files(__package__).joinpath("report.html").read_text(encoding="utf-8")
    )
    html = page.render(
        result=result,
        seconds=seconds(run),
        plan=plan,
        quality=quality,
        evaluation=evaluation,
        plots=plots,
    )
    write(workspace.report, html.encode())
    if quality.good:
        with tracking.tracked(run, name, read_json(workspace.training, Training).tracker_id):
            tracking.log_report(result.status, html)
    took = seconds(run) | {
        "report": round(time.perf_counter() - started, 3),
        "all": round((datetime.now(UTC) - plan.begun).total_seconds(), 3),
    }
    result = result.model_copy(update={"seconds": took, "retries": retries(run)})
    workspace.sweep()
    # Last: the run is finished when this file is there.
    write_json(workspace.result, result)
    log.info("report: %s %s: %s", result.period, result.status, result.reason)
    return result


def _counted(quality: Quality) -> dict[str, int]:
    return {
        "ingested": sum(month.rows for month in quality.months.values()),
        "cancelled": sum(month.cancelled for month in quality.months.values()),
    }


def _judged(run: Run, plan: Plan, quality: Quality, orchestrator: str) -> Result:
    """Return the result of a run that got as far as release."""
    workspace = Workspace(run)
    evaluation = read_json(workspace.evaluation, Evaluation)
    release = read_json(workspace.release, Release)
    training = read_json(workspace.training, Training)
    return Result(
        run_id=run.run_id,
        period=run.period,
        status="released" if release.released else "kept_champion",
        reason="; ".join([release.reason, *quality.notes]),
        orchestrator=orchestrator,
        rows=_counted(quality) | {"trained": training.rows, "scored": evaluation.rows},
        metrics=evaluation.metrics,
        champion_before=evaluation.champion,
        champion_after=release.champion,
        data_version=read_json(workspace.version, DataVersion).data_version,
        code_version=plan.code_version,
        tracker_url=tracking.page_of(training.tracker_id),
    )


def _plots(workspace: Workspace, plan: Plan, evaluation: Evaluation) -> dict[str, str]:
    """Return the plots of the page by title, as SVG."""

    def curve(name: str) -> pl.DataFrame:
        return pl.read_csv(io.BytesIO(workspace.curve(name).read_bytes()))

    plots = {}
    log.info("report: drawing the plots and shuffling the features")

    figure, axes = _figure("false positive rate", "true positive rate")
    roc = curve("roc")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":")
    axes.plot(roc["false_positive_rate"], roc["true_positive_rate"], color=BLUE)
    plots[f"ROC, area {evaluation.metrics['auc']:.3f}"] = _svg(figure)

    figure, axes = _figure("recall", "precision")
    late = read_parquet(workspace.scores)[LABEL].to_numpy().mean()
    precision_recall = curve("precision_recall")
    axes.axhline(late, color=GREY, linestyle=":")
    axes.plot(precision_recall["recall"], precision_recall["precision"], color=BLUE)
    axes.set_ylim(0, 1)
    plots[f"Precision and recall, average {evaluation.metrics['average_precision']:.3f}"] = _svg(
        figure
    )

    figure, axes = _figure("predicted probability of being late", "share that was late")
    calibration = curve("calibration")
    top = calibration.max().max_horizontal().item() * 1.05
    axes.plot([0, top], [0, top], color=GREY, linestyle=":")
    axes.plot(
        calibration["predicted"], calibration["came_true"], color=BLUE, marker="o", markersize=4
    )
    plots["Calibration, in tenths of the flights"] = _svg(figure)

    figure, axes = _figure("loss of AUC when shuffled", "")
    names, losses = _importance(workspace, plan)
    axes.barh(names, losses, color=BLUE)
    axes.margins(y=0.02)
    plots["Importance of the features"] = _svg(figure)

    for by in SLICES:
        parts = [part for part in evaluation.slices if part.by == by and part.auc is not None]
        figure, axes = _figure("AUC", "")
        _draw_slices(axes, parts, evaluation.metrics["auc"])
        plots[f"AUC by {by}"] = _svg(figure)
    return plots


def _importance(workspace: Workspace, plan: Plan) -> tuple[list[str], list[float]]:
    """Return the columns that matter, and how much AUC is lost when each is shuffled; largest last.

    Those of the joined table, which every model takes, whatever it makes of them.
    """
    table = read_parquet(workspace.features(plan.period))
    sample = table.sample(min(IMPORTANCE_ROWS, table.height), seed=plan.params.seed)
    late, inputs = sample[LABEL].to_numpy(), sample.drop(LABEL)
    model = pickle.loads(workspace.model.read_bytes())  # noqa: S301 - written by this run

    def auc(inputs: pl.DataFrame) -> float:
        return float(roc_auc_score(late, probability(model, inputs)))

    whole = auc(inputs)
    losses = {
        name: whole - auc(inputs.with_columns(pl.col(name).shuffle(seed=plan.params.seed)))
        for name in inputs.columns
    }
    matter = sorted((name for name, loss in losses.items() if loss), key=losses.__getitem__)
    return matter, [losses[name] for name in matter]


def _draw_slices(axes: Axes, parts: list[Slice], overall: float) -> None:
    labels = [f"{part.value}  ({part.rows:,})" for part in reversed(parts)]
    axes.barh(labels, [part.auc or 0.0 for part in reversed(parts)], color=BLUE)
    axes.axvline(overall, color=GREY, linestyle=":")
    axes.set_xlim(0.5, None)


def _figure(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5, 3.6), layout="constrained")  # no pyplot: steps run in threads
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    drawing = buffer.getvalue()
    return drawing[drawing.index("<svg") :]
