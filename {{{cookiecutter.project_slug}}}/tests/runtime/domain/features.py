"""One row for each parcel, with the traffic and the depot beside it."""

from collections.abc import Mapping

import polars as pl

from .params import FeatureParams
from .tables import MAIN, OUTCOME, TIME

LABEL = "duration"


def join(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return one row for each parcel, in their order."""
    return (
        tables[MAIN]
        .select(TIME, "depot", "weight")
        .join(tables["traffic"], on=TIME, how="left", maintain_order="left")
        .join(tables["depots"], on="depot", how="left", maintain_order="left")
    )


def label(params: FeatureParams) -> pl.Expr:
    """Return the minutes until delivery, above those that are free."""
    return pl.col(OUTCOME) - params.free_minutes


def check_labels(labels: pl.Series, params: FeatureParams) -> str | None:
    """Return what is wrong with the labels of a period, None where nothing is."""
    return "all durations are alike" if labels.n_unique() < 2 else None
