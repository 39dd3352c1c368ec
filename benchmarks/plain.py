"""The work of one period as a straight script: no orchestrator, tracker, contract or registry.

Run with the environment and in the folder of a rendered project: `python plain.py 2013-05`. It
reads the same files, derives the same features, trains with the same parameters and computes the
same metrics; at the end it prints the AUC and the seconds of each part, as JSON.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import yaml
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.preprocessing import OrdinalEncoder

CATEGORICAL = ["carrier", "origin", "dest"]
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust"]
WEATHER += ["precip", "pressure", "visib"]
NUMERIC = ["departure_minute", "arrival_minute", "weekday", "day", "distance", "plane_age"]
NUMERIC += ["seats", "dest_lat", "dest_lon", *WEATHER]


def minute(clock: str) -> pl.Expr:
    """Return the minute of the day of a time written as 1745."""
    return pl.col(clock) // 100 * 60 + pl.col(clock) % 100


def read(source: Path, month: str) -> pl.DataFrame:
    """Return the flights of a month that arrived, with weather, plane and destination."""
    flights = pl.read_parquet(source / f"flights/month={month}/*.parquet")
    weather = pl.read_parquet(source / f"weather/month={month}/*.parquet").select(
        pl.col("time_hour").dt.offset_by("1h"), "origin", *WEATHER
    )
    planes = pl.read_parquet(source / "planes/*.parquet").select(
        "tailnum", "seats", plane_year="year"
    )
    airports = pl.read_parquet(source / "airports/*.parquet").select(
        dest="faa", dest_lat="lat", dest_lon="lon"
    )
    return (
        flights.drop_nulls("arr_delay")
        .join(weather, on=["time_hour", "origin"], how="left")
        .join(planes, on="tailnum", how="left")
        .join(airports, on="dest", how="left")
        .with_columns(
            weekday=pl.date("year", "month", "day").dt.weekday(),
            plane_age=pl.col("year") - pl.col("plane_year"),
            departure_minute=minute("sched_dep_time"),
            arrival_minute=minute("sched_arr_time"),
        )
    )


def main(period: str) -> None:
    """Train on the months before `period` and score it."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    year, number = map(int, period.split("-"))
    before = [f"{year}-{month:02d}" for month in range(number - params["window"], number)]

    started = time.perf_counter()
    months = {month: read(Path(params["source"]), month) for month in [*before, period]}
    train, test = pl.concat([months[month] for month in before]), months[period]
    read_at = time.perf_counter()

    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    encoder.fit(train[CATEGORICAL])

    def inputs(table: pl.DataFrame) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
        return np.hstack([encoder.transform(table[CATEGORICAL]), table[NUMERIC].to_numpy()])

    model = HistGradientBoostingClassifier(
        **params["train"],
        categorical_features=list(range(len(CATEGORICAL))),
        early_stopping=False,
        random_state=params["seed"],
    )
    model.fit(inputs(train), (train["arr_delay"] > params["features"]["late_minutes"]).to_numpy())
    trained_at = time.perf_counter()

    scores = model.predict_proba(inputs(test))[:, 1]
    late = (test["arr_delay"] > params["features"]["late_minutes"]).to_numpy()
    auc, *_ = (
        metric(late, scores)
        for metric in (roc_auc_score, average_precision_score, log_loss, brier_score_loss)
    )
    scored_at = time.perf_counter()
    took = {
        "data": read_at - started,
        "train": trained_at - read_at,
        "score": scored_at - trained_at,
    }
    print(json.dumps({"auc": auc, "seconds": took}))


if __name__ == "__main__":
    main(sys.argv[1])
