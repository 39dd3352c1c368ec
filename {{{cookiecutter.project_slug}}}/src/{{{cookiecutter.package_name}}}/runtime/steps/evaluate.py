"""Evaluate the challenger on the period, against the floor and against the champion."""

import logging
import math

import numpy as np
import polars as pl

from .. import room
from ..files import read_json, read_parquet, write, write_json, write_parquet
from ..registry import pickling, registry, tracker
from ..results import Champion, Evaluation, Plan, Slice, Training
from ..run import Run, RunDir, read_plan

log = logging.getLogger(__name__)

FEWEST_ROWS_IN_SLICE = 100
ROWS_COMPARED = 1000


def evaluate(run: Run) -> Evaluation:
    """Score challenger and champion on the period, and decide whether to release.

    Writes `scores.parquet`, `curves/*.csv` and `evaluation.json`; logs metrics and curves to the
    tracker.

    Raises:
        BadInput: `measure` returned metrics without the headline metric.
    """
    run_dir, plan = RunDir(run), read_plan(run)
    rows = read_parquet(run_dir.features(plan.period))
    training = read_json(run_dir.training, Training)
    model = pickling.load_run_model(run, training, f"remove {run_dir.folder} and train again")
    inputs = rows.drop(room.features().LABEL)
    room.check_slices(inputs.columns)  # features are not repeated for a change of them
    scored = rows.with_columns(
        pl.Series(room.model().PREDICTION, room.model().predict(model, inputs))
    )
    metrics = _measure(scored, whole=True)
    champion, champion_metrics = _champion(run, plan, rows)
    release, reason = decide(run, plan, metrics, champion, champion_metrics)
    evaluation = Evaluation(
        release=release,
        reason=reason,
        metrics=metrics,
        champion=champion,
        champion_metrics=champion_metrics,
        rows=rows.height,
        slices=[part for by in room.evaluation().SLICES for part in slices(scored, by)],
    )
    curves = _write_scores(run_dir, scored)
    with tracker.open_run(run, plan.params.model_name, training.tracker_id):
        tracker.log_metrics(metrics)
        tracker.log_metrics(champion_metrics or {}, prefix="champion_")
        tracker.log_curves(curves)
    write_json(run_dir.evaluation, evaluation)
    log.info("evaluate: %d rows of %s; %s", rows.height, plan.period, reason)
    return evaluation


def difference(run: Run, version: str) -> float:
    """Return the largest difference between a version's predictions and `scores.parquet`."""
    run_dir, plan = RunDir(run), read_plan(run)
    rows = read_parquet(run_dir.features(plan.period)).head(ROWS_COMPARED)
    before = read_parquet(run_dir.scores)[room.model().PREDICTION].head(ROWS_COMPARED).to_numpy()
    now = _registered_scores(plan, version, rows)[room.model().PREDICTION].to_numpy()
    return float(np.abs(now - before).max())


def _registered_scores(plan: Plan, version: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with the predictions of a registered version beside them."""
    model, inputs = room.model(), rows.drop(room.features().LABEL)
    scores = registry.score(plan.params.model_name, version, model.predict, inputs)
    return rows.with_columns(pl.Series(model.PREDICTION, scores))


def _champion(
    run: Run, plan: Plan, rows: pl.DataFrame
) -> tuple[Champion | None, dict[str, float] | None]:
    """Return the champion, and its metrics on the period where it can be compared.

    One of a later period has seen this one in training, and is not compared.
    """
    champion = registry.champion(plan.params.model_name)
    if champion is None or champion.run_id == run.run_id:
        return champion, None
    if champion.is_later_than(plan.period):
        return champion, None
    return champion, _measure(_registered_scores(plan, champion.version, rows))


def decide(
    run: Run,
    plan: Plan,
    metrics: dict[str, float],
    champion: Champion | None,
    champion_metrics: dict[str, float] | None,
) -> tuple[bool, str]:
    """Return whether the challenger is released, and why: the team's rule, and that of time.

    The champion has metrics on the run's period, unless it has seen that in training.
    """
    if champion is not None and champion.run_id == run.run_id:
        return True, "the champion is of this very run"
    ours = room.evaluation()
    compared = [metrics] if champion_metrics is None else [metrics, champion_metrics]
    if any(ours.HEADLINE not in found for found in compared):
        return False, f"the {ours.HEADLINE_LABEL} is not defined on {plan.period}"
    release, reason = ours.decide(plan.params.evaluate, metrics, champion_metrics)
    if champion is None:
        return release, f"{reason}, and there is no champion yet" if release else reason
    if champion_metrics is not None:
        return release, f"{reason} of version {champion.version}"
    if not release:
        return False, reason
    return False, (
        f"the champion, version {champion.version}, is of a later period, {champion.period}, "
        f"and {plan.period} never replaces it"
    )


def slices(scored: pl.DataFrame, by: str) -> list[Slice]:
    """Return the metrics of each value of the column `by` that has enough rows, largest first."""
    parts = [
        Slice(by=by, value=str(value), rows=rows.height, metrics=_measure(rows))
        for (value,), rows in scored.group_by(by)
        if rows.height >= FEWEST_ROWS_IN_SLICE
    ]
    return sorted(parts, key=lambda part: (-part.rows, part.value))


def _measure(scored: pl.DataFrame, *, whole: bool = False) -> dict[str, float]:
    """Return the metrics of rows with label and prediction, less those that are not defined.

    Those of the `whole` period must include the headline metric, unless there are none.
    """
    labels, predictions = scored[room.features().LABEL], scored[room.model().PREDICTION]
    metrics = room.evaluation().measure(labels.to_numpy(), predictions.to_numpy())
    if whole:
        room.check_metrics(metrics)
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def _write_scores(run_dir: RunDir, scored: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Write the predictions beside key and label, and the curves that they give; return these."""
    tables, label, prediction = room.tables(), room.features().LABEL, room.model().PREDICTION
    key = tables.TABLES[tables.MAIN].unique or []
    write_parquet(run_dir.scores, scored.select(*key, label, prediction))
    labels, predictions = scored[label].to_numpy(), scored[prediction].to_numpy()
    curves = room.evaluation().curves(labels, predictions)
    for name, points in curves.items():
        write(run_dir.curve(name), points.write_csv().encode())
    return curves
