"""Judge the challenger: on the period, against a floor and against the champion."""

import json
import logging
import pickle

import numpy as np
import polars as pl
from pydantic import BaseModel
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    log_loss,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from .. import tracking
from ..contract import FLIGHT_KEY
from ..errors import BadInput
from ..model import Scores, probability
from ..params import EvaluateParams
from ..plan import read_plan
from ..results import Champion
from ..workspace import (
    Run,
    Workspace,
    read_json,
    read_parquet,
    write,
    write_json,
    write_parquet,
)
from .features import LABEL
from .train import Training

log = logging.getLogger(__name__)

SLICES = ("carrier", "origin")
FEWEST_ROWS_IN_SLICE = 100
POINTS_IN_CURVE = 300


class Slice(BaseModel):
    """How well the challenger does on part of the period."""

    by: str
    value: str
    rows: int
    late: float
    """The share that was late."""
    auc: float | None
    """None where all or none were late."""


class Evaluation(BaseModel):
    """The verdict, and what it rests on."""

    release: bool
    reason: str
    metrics: dict[str, float]
    champion: Champion | None
    """The champion of the time; it was compared if `champion_metrics` is there."""
    champion_metrics: dict[str, float] | None
    """The champion's, on the same period."""
    rows: int
    slices: list[Slice]


def evaluate(run: Run) -> Evaluation:
    """Score challenger and champion on the period, and decide whether to release.

    A champion of a later period has seen this one in training: it is not compared, and it stays.

    Writes `scores.parquet`, `metrics.json`, `curves/*.csv` and `evaluation.json`; logs the metrics
    to the tracker.
    """
    workspace, plan = Workspace(run), read_plan(run)
    table = read_parquet(workspace.features(plan.period))
    late = table[LABEL].to_numpy()
    inputs = table.drop(LABEL)
    training = read_json(workspace.training, Training)
    made_by = f"The model of run {run.run_id}"
    tracking.check_python(training.python, made_by, f"remove {workspace.folder} and train it anew")
    model = pickle.loads(workspace.model.read_bytes())  # noqa: S301 - written by this run
    scores = probability(model, inputs)
    metrics = measure(late, scores)
    name = plan.params.model_name
    champion, champion_metrics = tracking.champion(name), None
    if champion is not None and champion.run_id == run.run_id:
        release, reason = True, "the champion is of this very run"
    else:
        if champion is not None and champion.period <= plan.period:
            champion_metrics = measure(late, _score_champion(name, champion, inputs))
        limits = plan.params.evaluate
        release, reason = decide(limits, plan.period, metrics, champion, champion_metrics)
    scored = table.select(*FLIGHT_KEY, LABEL).with_columns(pl.Series("probability", scores))
    evaluation = Evaluation(
        release=release,
        reason=reason,
        metrics=metrics,
        champion=champion,
        champion_metrics=champion_metrics,
        rows=table.height,
        slices=[part for by in SLICES for part in slices(scored, by)],
    )
    with tracking.tracked(run, name, training.tracker_id):
        tracking.log_metrics(metrics)
        tracking.log_metrics(champion_metrics or {}, prefix="champion_")
    write_parquet(workspace.scores, scored)
    write(workspace.metrics, json.dumps(metrics, indent=2).encode() + b"\n")
    for curve, points in curves(late, scores).items():
        write(workspace.curve(curve), points.write_csv().encode())
    write_json(workspace.evaluation, evaluation)
    log.info("evaluate: AUC %.4f on %d rows; %s", metrics["auc"], table.height, reason)
    return evaluation


def _score_champion(name: str, champion: Champion, inputs: pl.DataFrame) -> Scores:
    model = tracking.load_model(name, champion.version)
    try:
        return probability(model, inputs)
    except Exception as error:
        raise BadInput(
            f"The champion, version {champion.version} of {name}, cannot score this table "
            f"({' '.join(str(error).split())[:200]}): give `join` back what it reads, or begin "
            "anew with another model_name in params.yaml."
        ) from error


def measure(
    late: "np.ndarray[tuple[int], np.dtype[np.bool_]]",
    scores: Scores,
) -> dict[str, float]:
    """Return the metrics of probabilities against what came true.

    Returns:
        `auc` (area under the ROC curve) and `average_precision`, higher is better; `log_loss` and
        `brier` (mean squared error), lower is better.
    """
    return {
        "auc": float(roc_auc_score(late, scores)),
        "average_precision": float(average_precision_score(late, scores)),
        "log_loss": float(log_loss(late, scores)),
        "brier": float(brier_score_loss(late, scores)),
    }


def curves(
    late: "np.ndarray[tuple[int], np.dtype[np.bool_]]", scores: Scores
) -> dict[str, pl.DataFrame]:
    """Return the curves of probabilities against what came true, thinned to what a plot shows.

    Returns:
        `roc` (`false_positive_rate`, `true_positive_rate`, `threshold`), `precision_recall`
        (`recall`, `precision`) and `calibration` (`predicted`, `came_true`: the means of tenths of
        the rows).
    """
    false_positive, true_positive, threshold = roc_curve(late, scores)
    precision, recall, _ = precision_recall_curve(late, scores)
    came_true, predicted = calibration_curve(late, scores, n_bins=10, strategy="quantile")
    points = {
        "roc": {
            "false_positive_rate": false_positive,
            "true_positive_rate": true_positive,
            "threshold": np.minimum(threshold, 1),  # the first is infinite
        },
        # Where nothing late is found yet, precision is that of a handful of rows, or of none.
        "precision_recall": {"recall": recall[recall > 0], "precision": precision[recall > 0]},
        "calibration": {"predicted": predicted, "came_true": came_true},
    }
    return {name: _thinned(pl.DataFrame(columns)) for name, columns in points.items()}


def _thinned(points: pl.DataFrame) -> pl.DataFrame:
    kept = np.unique(np.linspace(0, points.height - 1, POINTS_IN_CURVE).round().astype(int))
    return points[kept]


def decide(
    limits: EvaluateParams,
    period: str,
    metrics: dict[str, float],
    champion: Champion | None,
    champion_metrics: dict[str, float] | None,
) -> tuple[bool, str]:
    """Decide whether the challenger is released, and say why in one clause.

    Args:
        limits: the floor and the gain asked for.
        period: the month both were scored on.
        metrics: the challenger's.
        champion: the version in use, if any.
        champion_metrics: its metrics on the same month, unless it was trained on it.
    """
    auc = metrics["auc"]
    if not auc >= limits.min_auc:  # nor is one that is not a number
        return False, f"AUC {auc:.4f} is below the floor of {limits.min_auc:.4f}"
    if champion is None:
        return True, f"AUC {auc:.4f} reaches the floor, and there is no champion yet"
    if champion_metrics is None:
        return False, (
            f"the champion, version {champion.version}, is of a later period, {champion.period}, "
            f"and {period} never replaces it"
        )
    against = f"AUC {auc:.4f} against {champion_metrics['auc']:.4f} of version {champion.version}"
    if auc - champion_metrics["auc"] > limits.min_gain:
        return True, f"better than the champion: {against}"
    enough = f" by more than {limits.min_gain:g}" if limits.min_gain else ""
    return False, f"not better than the champion{enough}: {against}"


def slices(scored: pl.DataFrame, by: str) -> list[Slice]:
    """Return the metrics of each value of the column `by` that has enough rows, largest first.

    Args:
        scored: columns `by`, `late` and `probability`.
        by: the column.
    """
    parts = []
    for (value,), rows in scored.group_by(by):
        if rows.height < FEWEST_ROWS_IN_SLICE:
            continue
        late = rows[LABEL].to_numpy()
        both = 0 < late.sum() < len(late)
        auc = float(roc_auc_score(late, rows["probability"].to_numpy())) if both else None
        part = Slice(by=by, value=str(value), rows=rows.height, late=float(late.mean()), auc=auc)
        parts.append(part)
    return sorted(parts, key=lambda part: (-part.rows, part.value))
