"""The steps from ingest to train: each read and write what they say, and nothing else."""

import logging
import pickle

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from {{{ cookiecutter.package_name }}}.model import probability
from {{{ cookiecutter.package_name }}}.plan import read_plan
from {{{ cookiecutter.package_name }}}.source import Source, sha256
from {{{ cookiecutter.package_name }}}.steps import (
    ingest,
    quarantine,
    train,
    validate,
    version,
)
from {{{ cookiecutter.package_name }}}.workspace import (
    Run,
    Workspace,
    read_json,
    read_parquet,
)

from .conftest import Project, advance

WEATHER = "weather/month=2013-06/weather.parquet"


def features_of(project: Project, period: str = "2013-06", month: str = "2013-05") -> pl.DataFrame:
    """Return the joined table of a month."""
    run = project.work(period, last="features")
    return read_parquet(Workspace(run).features(month))


# ingest


def test_ingest_copies_byte_for_byte_and_counts(project: Project) -> None:
    run = project.plan("2013-06")
    manifest = ingest.ingest(run, "2013-05")
    assert manifest == read_json(Workspace(run).manifest("2013-05"), ingest.Manifest)
    monthly = {f"{table}/month=2013-05/{table}.parquet" for table in ("flights", "weather")}
    assert set(manifest.files) == monthly | {"planes/planes.parquet", "airports/airports.parquet"}
    for name, file in manifest.files.items():
        copy = Workspace(run).raw / name
        assert sha256(copy.read_bytes()) == file.sha256 == read_plan(run).checksums["2013-05"][name]
        assert read_parquet(copy).height == file.rows
    delivered = project.delivered("flights", "2013-05").read_bytes()
    assert manifest.files["flights/month=2013-05/flights.parquet"].sha256 == sha256(delivered)


def test_ingest_refuses_a_file_that_changed_after_planning(project: Project) -> None:
    run = project.plan("2013-06")
    project.deliver("weather", "2013-05", lambda rows: rows.head(100))
    with pytest.raises(RuntimeError, match=r"weather/.*\.parquet of 2013-05 changed"):
        ingest.ingest(run, "2013-05")
    assert not Workspace(run).manifest("2013-05").exists()
    project.delivered("weather", "2013-05").unlink()
    with pytest.raises(RuntimeError, match="start the run again once the delivery is complete"):
        ingest.ingest(run, "2013-05")


def test_a_file_that_is_not_parquet_is_noted(project: Project) -> None:
    project.delivered("weather", "2013-05").write_bytes(b"PAR1 cut off")
    run = project.plan("2013-06")
    assert ingest.ingest(run, "2013-05").files["weather/month=2013-05/weather.parquet"].rows is None


def test_several_files_of_a_table_are_one_table(project: Project) -> None:
    file = project.delivered("flights", "2013-05")
    whole = pl.read_parquet(file)
    whole.head(1000).write_parquet(file)
    whole.tail(-1000).write_parquet(file.with_name("flights-2.parquet"))
    run = project.work("2013-06", last="validate")
    assert_frame_equal(
        Source(str(Workspace(run).raw)).tables("2013-05")["flights"],
        whole.select(pl.read_parquet(file).columns),
        check_row_order=False,
    )
    assert read_json(Workspace(run).quality, validate.Quality).reason == "no findings"


# validate


def drop_a_third(rows: pl.DataFrame) -> pl.DataFrame:
    """Lose a third of a required column."""
    lost = pl.int_range(pl.len()) % 3 == 0
    return rows.with_columns(pl.when(~lost).then("dest").alias("dest"))


def judged(project: Project, period: str = "2013-06") -> validate.Quality:
    return read_json(Workspace(project.work(period, last="validate")).quality, validate.Quality)


def test_good_months(project: Project) -> None:
    quality = judged(project)
    assert quality.good
    assert quality.window == ["2013-03", "2013-04", "2013-05"]
    for month, found in quality.months.items():
        flights = pl.read_parquet(project.delivered("flights", month))
        assert found.rows == flights.height
        assert found.cancelled == flights["arr_delay"].null_count() > 0


def test_a_bad_period_stops_the_run(project: Project) -> None:
    project.deliver("flights", "2013-06", drop_a_third)
    quality = judged(project)
    assert not quality.good
    assert quality.reason == (
        "2013-06 breaks the data contract: flights.dest: 33.3% are missing, 5.0% allowed"
    )


def test_a_reason_names_three_findings_and_counts_the_rest(project: Project) -> None:
    project.deliver("flights", "2013-06", lambda rows: rows.drop("dest", "day", "month", "year"))
    assert judged(project).reason.endswith("; and 1 more")


def test_a_bad_month_of_the_window_is_left_out(project: Project) -> None:
    project.deliver("flights", "2013-04", drop_a_third)
    quality = judged(project)
    assert quality.good
    assert quality.window == ["2013-03", "2013-05"]
    assert quality.reason == (
        "left out of training: 2013-04 (flights.dest: 33.3% are missing, 5.0% allowed)"
    )
    assert [str(finding) for finding in quality.months["2013-04"].findings] == [
        "flights.dest: 33.3% are missing, 5.0% allowed"
    ]


def test_too_few_good_months_stop_the_run(project: Project) -> None:
    for month in ("2013-04", "2013-05"):
        project.deliver("flights", month, drop_a_third)
    quality = judged(project)
    assert not quality.good
    assert quality.reason == (
        "too few good months are left to train on: 1, and 2 are needed; "
        "left out: 2013-04, 2013-05 (flights.dest: 33.3% are missing, 5.0% allowed)"
    )


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (b"", f"weather: {WEATHER} is not readable as Parquet"),
        (b"PAR1 cut off PAR1", f"weather: {WEATHER} is not readable as Parquet"),
        (None, "weather: no file was delivered"),
    ],
)
def test_files_that_cannot_be_judged(project: Project, content: bytes | None, finding: str) -> None:
    file = project.delivered("weather", "2013-06")
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    assert judged(project).reason == f"2013-06 breaks the data contract: {finding}"


def test_files_of_a_table_that_differ(project: Project) -> None:
    file = project.delivered("flights", "2013-06")
    other = pl.read_parquet(file).head(10).drop("dest")
    other.write_parquet(file.with_name("flights-2.parquet"))
    assert judged(project).reason.endswith("files: those of flights differ in dest")


def test_files_of_a_table_may_order_their_columns_as_they_like(project: Project) -> None:
    file = project.delivered("flights", "2013-06")
    whole = pl.read_parquet(file)
    whole.head(1000).select(reversed(whole.columns)).write_parquet(file.with_name("first.parquet"))
    whole.tail(-1000).write_parquet(file)
    quality = judged(project)
    assert quality.good
    assert quality.months["2013-06"].rows == whole.height


def test_a_file_that_is_damaged_in_its_middle_is_named(project: Project) -> None:
    file = project.delivered("weather", "2013-06")
    content = file.read_bytes()
    file.write_bytes(content[:5000] + content[9000:])
    assert judged(project).reason.endswith(f"weather: {WEATHER} is not readable as Parquet")


@pytest.mark.parametrize(("minutes", "share"), [(16, "100.0%"), (15, "0.0%")])
def test_a_month_in_which_all_or_none_are_late(project: Project, minutes: int, share: str) -> None:
    delay = pl.lit(minutes, pl.Int64)
    project.deliver("flights", "2013-06", lambda rows: rows.with_columns(arr_delay=delay))
    (finding,) = judged(project).months["2013-06"].findings
    assert str(finding) == (
        f"flights.arr_delay: {share} are more than 15 minutes late, 1.0% to 99.0% are expected"
    )


def test_findings_are_logged(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.deliver("flights", "2013-06", drop_a_third)
    with caplog.at_level(logging.INFO):
        judged(project)
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warned == ["validate 2013-06: flights.dest: 33.3% are missing, 5.0% allowed"]


# quarantine


def test_quarantine_says_what_was_delivered(project: Project) -> None:
    project.deliver("flights", "2013-04", drop_a_third)
    project.deliver("flights", "2013-06", drop_a_third)
    run = project.work("2013-06", last="validate")
    kept = quarantine.quarantine(run)
    assert kept == read_json(Workspace(run).quarantine, quarantine.Quarantine)
    assert list(kept.months) == ["2013-04", "2013-06"]
    for month, bad in kept.months.items():
        assert bad.findings == ["flights.dest: 33.3% are missing, 5.0% allowed"]
        delivered = project.delivered("flights", month).read_bytes()
        assert bad.sha256[f"flights/month={month}/flights.parquet"] == sha256(delivered)


# version


def version_of(project: Project) -> str:
    run = project.work("2013-06", last="version")
    return read_json(Workspace(run).version, version.DataVersion).data_version


def test_the_same_data_have_the_same_name(project: Project) -> None:
    name = version_of(project)
    assert len(name) == 32
    project.tune(seed=1, runs="others")  # another run, in another place
    assert version_of(project) == name


@pytest.mark.parametrize("month", ["2013-03", "2013-06"])
def test_other_data_have_another_name(project: Project, month: str) -> None:
    name = version_of(project)
    project.deliver("weather", month, pl.DataFrame.reverse)
    assert version_of(project) != name


# features


def test_a_row_for_each_flight_that_was_not_cancelled(project: Project) -> None:
    table = features_of(project)
    flights = pl.read_parquet(project.delivered("flights", "2013-05"))
    arrived = flights.filter(pl.col("arr_delay").is_not_null())
    assert 0 < table.height == arrived.height < flights.height
    key = ["time_hour", "origin", "carrier", "flight"]
    assert table.select(key).is_duplicated().sum() == 0
    late = arrived.select(*key, late=pl.col("arr_delay") > 15)
    assert_frame_equal(table.select(*key, "late"), late, check_row_order=False)


def test_late_is_what_the_parameter_says(project: Project) -> None:
    before = features_of(project)["late"].sum()
    project.tune(late_minutes=60)
    assert 0 < features_of(project)["late"].sum() < before


def test_a_flight_whose_carrier_is_missing_is_kept(project: Project) -> None:
    height = features_of(project).height
    some = pl.int_range(pl.len()) % 50 == 0
    for column in ("carrier", "flight"):
        project.deliver(
            "flights",
            "2013-05",
            lambda rows, column=column: rows.with_columns(  # type: ignore[misc]
                pl.when(~some).then(column).alias(column)
            ),
        )
    assert features_of(project).height == height


def test_the_weather_is_that_of_the_hour_before(project: Project) -> None:
    def told(rows: pl.DataFrame) -> pl.DataFrame:
        """Let the temperature tell the hour."""
        hours = pl.col("time_hour").dt.epoch("s") // 3600 % 100
        return rows.with_columns(temp=hours.cast(pl.Float64))

    project.deliver("weather", "2013-05", told)
    table = features_of(project).drop_nulls("temp")
    assert table.height > 1000
    hour = pl.col("time_hour").dt.epoch("s") // 3600
    assert table.select(((hour - 1) % 100 == pl.col("temp")).all()).item()


@pytest.mark.parametrize(
    ("table", "key", "columns"),
    [
        ("planes", "tailnum", ["plane_year", "engines", "seats"]),
        ("airports", "faa", ["dest_lat", "dest_lon"]),
    ],
)
def test_what_is_not_known_is_missing(
    project: Project, table: str, key: str, columns: list[str]
) -> None:
    file = project.folder / f"data/source/{table}/{table}.parquet"
    pl.read_parquet(file).with_columns(pl.col(key) + "?").write_parquet(file)
    joined = features_of(project)
    assert joined.height > 1000
    assert joined.select(columns).null_count().row(0) == (joined.height,) * len(columns)


# train


def fitted(run: Run) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Return the probabilities of the run's model for its period."""
    model = pickle.loads(Workspace(run).model.read_bytes())  # noqa: S301
    table = read_parquet(Workspace(run).features(run.period))
    return probability(model, table.drop("late"))


def test_training_twice_gives_the_same_model(project: Project) -> None:
    run = project.work("2013-04", last="train")
    first = fitted(run)
    train.train(run)
    np.testing.assert_array_equal(fitted(run), first)
    project.tune(runs="others")
    np.testing.assert_array_equal(fitted(project.work("2013-04", last="train")), first)
    assert len(np.unique(first)) > 1000


def test_parameters_reach_the_model(project: Project) -> None:
    first = fitted(project.work("2013-04", last="train"))
    project.tune(train__max_iter=5, train__learning_rate=0.5)
    run = project.work("2013-04", last="train")
    assert np.abs(fitted(run) - first).max() > 0.01
    classifier = pickle.loads(Workspace(run).model.read_bytes())[-1]  # noqa: S301
    wanted = project.params.train.model_dump() | {"random_state": project.params.seed}
    assert wanted.items() <= classifier.get_params().items()


def test_only_good_months_are_trained_on(project: Project) -> None:
    project.deliver("flights", "2013-04", drop_a_third)
    run = project.plan("2013-06")
    advance(run, "train")
    training = read_json(Workspace(run).training, train.Training)
    assert training.months == ["2013-03", "2013-05"]
    heights = [read_parquet(Workspace(run).features(month)).height for month in training.months]
    assert training.rows == sum(heights)
    assert not Workspace(run).features("2013-04").exists()


def test_training_is_tracked_once(project: Project) -> None:
    import mlflow

    run = project.work("2013-04", last="train")
    first = read_json(Workspace(run).training, train.Training)
    again = train.train(run)
    assert again.tracker_id == first.tracker_id
    tracked = mlflow.get_run(first.tracker_id).data
    assert tracked.tags["run_id"] == run.run_id
    assert tracked.tags["code_version"] == read_plan(run).code_version
    named = read_json(Workspace(run).version, version.DataVersion)
    assert tracked.tags["data_version"] == named.data_version
    assert tracked.params["max_iter"] == "30"
    model = mlflow.models.get_model_info(again.model_uri)
    assert model.signature is not None
    assert {"carrier", "sched_dep_time"} <= set(model.signature.inputs.input_names())
    assert model.saved_input_example_info is not None
