"""From rentals to one row an hour and station."""

from collections.abc import Mapping

import polars as pl

from .params import FeatureParams
from .tables import HOUR, MAIN, OUTCOME

LABEL = "bikes"


def join(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return one row for each hour and station, with the docks of the station."""
    rentals = tables[MAIN].select(HOUR, "station", "temperature")
    return rentals.join(tables["stations"], on="station", how="left", maintain_order="left")


def label(params: FeatureParams) -> pl.Expr:
    """Return the bikes rented."""
    return pl.col(OUTCOME)


def check_labels(labels: pl.Series, params: FeatureParams) -> str | None:
    """Return what is wrong with the labels of a period."""
    return "nothing was rented" if not labels.sum() else None
