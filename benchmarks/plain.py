"""The work of one period as a straight script: no orchestrator, tracker, contract or registry.

Run with the environment and in the folder of a rendered project: `python plain.py 2013-05`.
"""

import sys
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import OrdinalEncoder

SOURCE = Path("data/source")
CATEGORICAL = ["carrier", "origin", "dest"]
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust"]
WEATHER += ["precip", "pressure", "visib"]
SCHEDULE = ["day", "distance", "sched_dep_time", "sched_arr_time"]


def read(month: str) -> pl.DataFrame:
    """Return the flights of a month that arrived, with weather and plane."""
    flights = pl.read_parquet(SOURCE / f"flights/month={month}/flights.parquet")
    weather = pl.read_parquet(SOURCE / f"weather/month={month}/weather.parquet").select(
        pl.col("time_hour").dt.offset_by("1h"), "origin", *WEATHER
    )
    planes = pl.read_parquet(SOURCE / "planes/planes.parquet").select(
        "tailnum", pl.col("year").alias("plane_year"), "seats"
    )
    return (
        flights.drop_nulls("arr_delay")
        .join(weather, on=["time_hour", "origin"], how="left")
        .join(planes, on="tailnum", how="left")
        .with_columns(weekday=pl.date("year", "month", "day").dt.weekday())
    )


def main(period: str) -> None:
    """Train on the three months before `period`, score it, print the AUC."""
    year, number = map(int, period.split("-"))
    before = [f"{year}-{month:02d}" for month in range(number - 3, number)]
    train, test = pl.concat([read(month) for month in before]), read(period)
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    encoder.fit(train[CATEGORICAL])

    def inputs(table: pl.DataFrame) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
        numbers = table[[*SCHEDULE, "weekday", "plane_year", "seats", *WEATHER]].to_numpy()
        return np.hstack([encoder.transform(table[CATEGORICAL]), numbers.astype(float)])

    model = HistGradientBoostingClassifier(
        learning_rate=0.1,
        max_iter=150,
        min_samples_leaf=50,
        l2_regularization=1.0,
        categorical_features=[0, 1, 2],
        early_stopping=False,
        random_state=2013,
    )
    model.fit(inputs(train), (train["arr_delay"] > 15).to_numpy())
    scores = model.predict_proba(inputs(test))[:, 1]
    print(f"AUC {roc_auc_score((test['arr_delay'] > 15).to_numpy(), scores):.4f}")


if __name__ == "__main__":
    main(sys.argv[1])
