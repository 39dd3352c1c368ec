"""From the tables of a period to one row for each flight, and its label.

Nothing is fitted here: what a model learns from data, it learns in `model.py`.
"""

from collections.abc import Mapping

import polars as pl

from .params import FeatureParams
from .tables import FLIGHT_KEY, HOUR, MAIN, MEASUREMENTS, OUTCOME

{% if cookiecutter.problem == "binary" %}
LABEL = "late"
"""The column of the label."""
{% else %}
LABEL = "delay"
"""The column of the label, in minutes."""
{% endif %}

SCHEDULE = ("year", "month", "day", "hour", "minute", "sched_dep_time", "sched_arr_time")
ROUTE = ("tailnum", "dest", "distance")

{% if cookiecutter.problem == "binary" %}
LATE_SHARES = (0.01, 0.99)
"""The smallest and the largest share of a period's flights that may be late. If none or all are
late, AUC is not defined."""
{% else %}
MEAN_DELAYS = (-30, 120)
"""The smallest and the largest mean delay of a period's flights, in minutes."""
{% endif %}


def join(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return one row for each flight, in their order, with what is known before departure.

    The weather is that of the full hour before the scheduled one: a reading of the same hour may
    be younger than the departure.

    Args:
        tables: by name, as `TABLES` in `tables.py` has them.

    Returns:
        The flight's key, schedule and route, with weather, plane and destination beside them;
        null where they are not known.
    """
    weather = tables["weather"].select(pl.col(HOUR).dt.offset_by("1h"), "origin", *MEASUREMENTS)
    planes = tables["planes"].select(
        "tailnum", pl.col("year").alias("plane_year"), "engines", "seats"
    )
    destinations = tables["airports"].select(
        pl.col("faa").alias("dest"),
        pl.col("lat").alias("dest_lat"),
        pl.col("lon").alias("dest_lon"),
    )
    return (
        tables[MAIN]
        .select(*FLIGHT_KEY, *SCHEDULE, *ROUTE)
        .join(weather, on=[HOUR, "origin"], how="left", maintain_order="left")
        .join(planes, on="tailnum", how="left", maintain_order="left")
        .join(destinations, on="dest", how="left", maintain_order="left")
    )


{% if cookiecutter.problem == "binary" %}
def label(params: FeatureParams) -> pl.Expr:
    """Return the label, as an expression over `MAIN`: null where a flight was cancelled."""
    return pl.col(OUTCOME) > params.late_minutes


def check_labels(labels: pl.Series, params: FeatureParams) -> str | None:
    """Return what is wrong with the labels of a period, None where nothing is."""
    share, (least, greatest) = float(labels.mean() or 0), LATE_SHARES  # type: ignore[arg-type]
    if least <= share <= greatest:
        return None
    expected = f"{least:.1%} to {greatest:.1%} are expected"
    return f"{share:.1%} are more than {params.late_minutes} minutes late, {expected}"
{% else %}
def label(params: FeatureParams) -> pl.Expr:
    """Return the label, as an expression over `MAIN`: null where a flight was cancelled."""
    return pl.col(OUTCOME).clip(upper_bound=params.longest_delay).cast(pl.Float64)


def check_labels(labels: pl.Series, params: FeatureParams) -> str | None:
    """Return what is wrong with the labels of a period, None where nothing is."""
    mean, (least, greatest) = float(labels.mean() or 0), MEAN_DELAYS  # type: ignore[arg-type]
    if least <= mean <= greatest:
        return None
    return f"the mean delay is {mean:.0f} minutes, {least} to {greatest} are expected"
{% endif %}
