"""What a source may deliver: Parquet or CSV, partitions or one file; rows are known by content."""

import errno
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import polars as pl
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]
from polars.testing import assert_frame_equal
from upath import UPath

from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.files import read_json
from {{{ cookiecutter.package_name }}}.runtime.results import Quality
from {{{ cookiecutter.package_name }}}.runtime.run.plan import read_plan
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import RunDir
from {{{ cookiecutter.package_name }}}.runtime.source import content
from {{{ cookiecutter.package_name }}}.runtime.source.content import ROWS
from {{{ cookiecutter.package_name }}}.runtime.source.reader import Source

from .conftest import MAIN, REQUIRED, Change, P, Project, advance

TIME = room.tables().DATED[MAIN]
DELIVERY = Path("data/source")
Write = Callable[[pl.DataFrame, Path], object]


def write_csv(rows: pl.DataFrame, file: Path) -> None:
    """Write times with their zone, and nulls as empty fields."""
    rows.write_csv(file, datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ", float_precision=None)


def in_one_file(table: str, write: Write, ending: str) -> Path:
    """Deliver a table as one file instead of folders."""
    parts = [pl.read_parquet(file) for file in sorted((DELIVERY / table).rglob("*.parquet"))]
    shutil.rmtree(DELIVERY / table)
    write(pl.concat(parts), DELIVERY / f"{table}{ending}")
    return DELIVERY / f"{table}{ending}"


def partitions_as_csv() -> None:
    """Deliver each file as CSV."""
    for file in DELIVERY.rglob("*.parquet"):
        write_csv(pl.read_parquet(file), file.with_suffix(".csv"))
        file.unlink()


def all_as_csv() -> None:
    """Deliver each table as one CSV."""
    for table in room.tables().TABLES:
        in_one_file(table, write_csv, ".csv")


def main_as_parquet() -> None:
    """Deliver the main table as one file."""
    in_one_file(MAIN, pl.DataFrame.write_parquet, ".parquet")


@pytest.mark.parametrize("deliver", [partitions_as_csv, all_as_csv, main_as_parquet])
def test_the_same_data_give_the_same_model(project: Project, deliver: Callable[[], None]) -> None:
    expected = project.result(project.work(P[6]))
    before = Source(str(DELIVERY)).tables(P[6], room.tables().TABLES)
    deliver()
    source = Source(str(DELIVERY))
    assert source.periods() == P[1:]
    for name, rows in source.tables(P[6], room.tables().TABLES).items():
        assert_frame_equal(rows, before[name], check_row_order=False)
    project.tune(model_name="another")
    result = project.result(project.work(P[6]))
    assert result.metrics == pytest.approx(expected.metrics, abs=1e-9)
    assert (result.status, result.rows) == (expected.status, expected.rows)


def test_rows_of_one_file_are_known_by_their_content(project: Project) -> None:
    file = in_one_file(MAIN, pl.DataFrame.write_parquet, ".parquet")
    run = project.plan(P[6])
    rows = pl.read_parquet(file)
    rows.filter(pl.col(TIME) != pl.col(TIME).max()).reverse().write_parquet(file)
    assert project.plan(P[6]) == run  # in another order, and another last period
    changed = pl.when(pl.int_range(pl.len()) == pl.len() * 9 // 24).then(0.5).otherwise(REQUIRED)
    rows.with_columns(changed.alias(REQUIRED)).write_parquet(file)
    again = project.plan(P[6])
    assert again != run
    note = f"{P[5]} has changed since run {run.run_id} used it"
    assert read_plan(again).notes == [note]
    file.unlink()  # the plan has its rows
    advance(again, "snapshot")


def test_cached_rows_that_are_damaged_are_read_again(project: Project) -> None:
    in_one_file(MAIN, pl.DataFrame.write_parquet, ".parquet")
    run = project.plan(P[6])
    rows = [sha for sha in read_plan(run).files.values() if sha.startswith(ROWS)]
    assert len(rows) == len(read_plan(run).periods)
    for sha in rows:
        (project.folder / "runs/.cache/files" / sha).write_bytes(b"damaged")
    assert project.result(project.work(P[6])).status == "released"


# Bad input


def changed(old: str, new: str) -> Callable[[str], str]:
    """Return a change of the fourth line, which has rows of the main table."""

    def change(text: str) -> str:
        lines = text.splitlines(keepends=True)
        assert old in lines[3]
        return "".join([*lines[:3], lines[3].replace(old, new), *lines[4:]])

    return change


BROKEN: dict[str, tuple[Callable[[str], str], str]] = {
    "a field is lost": (changed(",", ""), ", line 4: Expected 4 columns, got "),
    "a field more": (changed(",", ",,"), ", line 4: Expected 4 columns, got "),
    "no zone": (changed("Z,", ","), f", line 4: `{TIME}` has no time zone: write times with "),
    "no time": (changed("T", " at "), f", line 4: `{TIME}` is '201"),
    "nothing": (lambda _: "", ": Empty CSV file"),
    "a name twice": (lambda text: text.replace("\n", ",x,x\n"), ": it has the column `x` 2 times"),
    "semicolons": (lambda text: text.replace(",", ";"), ": its line of names has no comma"),
    "no text": (lambda text: f"PAR1\0{text}", ": its line of names is no text: deliver CSV"),
    "a quote that stays open": (changed("Z,", 'Z,"'), ": a quote is opened and not closed, so "),
    "no end": (lambda text: text[:-3], ": its last line has no end: it may be cut off"),
    "UTF-16": (lambda text: text, ": it is UTF-16: deliver UTF-8"),
    "Latin-1": (changed("north", "n\xf6rth"), ", line 4: `depot` has a text that is not UTF-8"),
}


def write_broken(file: Path, kind: str) -> None:
    encoding = {"UTF-16": "utf-16", "Latin-1": "latin-1"}.get(kind, "utf-8")
    file.write_text(BROKEN[kind][0](file.read_text()), encoding=encoding)


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_line_is_named(project: Project, kind: str) -> None:
    sentence = BROKEN[kind][1]
    partitions_as_csv()
    file = project.delivered(MAIN, P[6]).with_suffix(".csv")
    write_broken(file, kind)
    quality = read_json(RunDir(project.work(P[6])).quality, Quality)
    assert f"{file.relative_to(DELIVERY.absolute())}{sentence}" in quality.reason


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_line_of_one_file_is_refused(project: Project, kind: str) -> None:
    sentence = BROKEN[kind][1]
    file = in_one_file(MAIN, write_csv, ".csv")
    write_broken(file, kind)
    with pytest.raises(BadInput) as refusal:
        project.plan(P[6])
    assert f"The source data/source cannot be read: {MAIN}.csv{sentence}" in str(refusal.value)


def test_empty_lines_before_the_names_are_no_names(project: Project) -> None:
    before = Source(str(DELIVERY)).tables(P[6], [MAIN])[MAIN]
    partitions_as_csv()
    file = project.delivered(MAIN, P[6]).with_suffix(".csv")
    file.write_text(f"\n\n{file.read_text()}")
    assert_frame_equal(Source(str(DELIVERY)).tables(P[6], [MAIN])[MAIN], before)
    write_csv(before, DELIVERY / f"{MAIN}.csv")
    shutil.rmtree(DELIVERY / MAIN)
    (DELIVERY / f"{MAIN}.csv").write_text(f"\r\n{(DELIVERY / f'{MAIN}.csv').read_text()}")
    assert Source(str(DELIVERY)).periods() == [P[6]]


def without_a_zone(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col(TIME).dt.replace_time_zone(None))


def without_a_time(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.when(pl.int_range(pl.len()) > 2).then(TIME).alias(TIME))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (without_a_zone, f"{MAIN}.parquet, `{TIME}`: it has no time zone: deliver times with "),
        (without_a_time, f"{MAIN}.parquet, `{TIME}`: 3 rows have none, and belong to no "),
        (lambda rows: rows.drop(TIME), f"{MAIN}.parquet, `{TIME}`: the column is missing"),
        (pl.DataFrame.clear, f"has no rows in {MAIN}.parquet: deliver some"),
    ],
)
def test_rows_that_belong_to_no_period_are_refused(
    project: Project, change: Change, sentence: str
) -> None:
    file = in_one_file(MAIN, pl.DataFrame.write_parquet, ".parquet")
    change(pl.read_parquet(file)).write_parquet(file)
    with pytest.raises(BadInput) as refusal:
        project.plan(P[6])
    assert sentence in str(refusal.value)


def test_a_table_that_is_delivered_twice_is_refused(project: Project) -> None:
    in_one_file(MAIN, pl.DataFrame.write_parquet, ".parquet")
    (DELIVERY / f"{MAIN}.csv").touch()
    with pytest.raises(BadInput, match=rf"has {MAIN} twice, as {MAIN}\..* and as {MAIN}\.csv"):
        project.plan(P[6])


# The checksum of rows

EXAMPLE = pl.DataFrame(
    {
        "number": [1, None, -3, 2**62],
        "share": [0.1, -0.0, None, float("nan")],
        "text": ["", None, "1:a", "é"],
        "more": ["a", "2:aa", None, "null"],
        "on": [True, False, None, True],
        "at": [datetime(2013, 6, day, tzinfo=UTC) for day in (1, 2, 3, 4)],
        "bytes": [b"", b"\x00", None, b"a"],
    }
)


def checksum(rows: pl.DataFrame, batch: int = 3) -> str:
    found = content.RowsChecksum(rows.schema)
    for part in rows.iter_slices(batch):
        found.add(part)
    return str(found)


def test_the_order_of_rows_and_columns_does_not_matter() -> None:
    chance, expected = Random(1), checksum(EXAMPLE)  # noqa: S311
    for _ in range(20):
        columns = chance.sample(EXAMPLE.columns, EXAMPLE.width)
        shuffled = EXAMPLE.select(columns).sample(
            fraction=1, shuffle=True, seed=chance.randint(0, 99)
        )
        assert checksum(shuffled, batch=chance.randint(1, 5)) == expected


def test_every_value_type_and_name_matters() -> None:
    found = [checksum(EXAMPLE), checksum(EXAMPLE.head(3)), checksum(EXAMPLE.rename({"on": "off"}))]
    for name in EXAMPLE.columns:
        values = EXAMPLE[name].to_list()
        for number, value in enumerate(values):
            other = values[number - 1]
            if other != value:
                new = pl.Series(name, [*values[:number], other, *values[number + 1 :]])
                found.append(checksum(EXAMPLE.with_columns(new.cast(EXAMPLE.schema[name]))))
    found.append(checksum(EXAMPLE.cast({"share": pl.Float32})))
    found.append(checksum(EXAMPLE.cast({"at": pl.Datetime("ms", "UTC")})))
    assert len(found) > 25
    assert len({*found}) == len(found)


def test_the_checksum_is_the_same_in_every_version() -> None:
    """Another one would make a new run of all data."""
    assert checksum(EXAMPLE) == "rows-e995eb37cfa1801fe1b732d27cc15dfc"


@pytest.mark.parametrize(
    "dtype", [pl.List(pl.String), pl.Struct({"a": pl.Int64}), pl.Array(pl.Int8, 2), pl.Int128]
)
def test_columns_without_plain_values_are_refused(tmp_path: Path, dtype: pl.DataType) -> None:
    rows = pl.DataFrame({"number": [1], "odd": pl.Series([None], dtype=dtype)})
    with pytest.raises(BadInput, match=r"`odd` is .*: deliver the table as a file for each period"):
        content.write_rows(iter([rows]), tmp_path / "rows.parquet")


def test_a_file_has_the_rows_that_were_written(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    found = content.write_rows(EXAMPLE.iter_slices(2), file)
    assert found == checksum(EXAMPLE)
    assert_frame_equal(pl.read_parquet(file), EXAMPLE)
    assert content.rows_if_intact(UPath(file), found) == EXAMPLE.height
    EXAMPLE.reverse().write_parquet(file)
    assert content.rows_if_intact(UPath(file), found) == EXAMPLE.height
    EXAMPLE.head(3).write_parquet(file)
    assert content.rows_if_intact(UPath(file), found) is None


@pytest.mark.parametrize("place", ["memory://rows", ""])
def test_a_damaged_file_of_rows_is_told_from_one_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    found = content.write_rows(EXAMPLE.iter_slices(2), tmp_path / "written")
    whole, file = (tmp_path / "written").read_bytes(), UPath(place or tmp_path) / "rows.parquet"
    file.write_bytes(whole)
    assert content.rows_if_intact(file, found) == EXAMPLE.height
    for damage in (whole[:-9], b"", whole[:4] + bytes(200) + whole[204:]):
        file.write_bytes(damage)
        assert content.rows_if_intact(file, found) is None
    file.unlink()
    assert content.rows_if_intact(file, found) is None

    def broken(*_: object, **__: object) -> None:
        raise ConnectionResetError(errno.ECONNRESET, "the store hung up")

    monkeypatch.setattr(MemoryFileSystem, "open", broken)
    monkeypatch.setattr(pq, "ParquetFile", broken)
    with pytest.raises(ConnectionResetError):
        content.rows_if_intact(file, found)
