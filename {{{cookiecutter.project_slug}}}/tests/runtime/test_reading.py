"""What is read of a delivery: which names, which types, and what of a damaged file."""

import io
import os
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal
from upath import UPath

from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.periods import PARTITIONS
from {{{ cookiecutter.package_name }}}.runtime.source import formats, isolated
from {{{ cookiecutter.package_name }}}.runtime.source.contract import find_faults
from {{{ cookiecutter.package_name }}}.runtime.source.kinds import Unread
from {{{ cookiecutter.package_name }}}.runtime.source.reader import Source

from .conftest import MAIN, OUTCOME, REQUIRED, P
from .deliveries import TIME

PERIOD = P[6]
TYPES = formats.declared(MAIN)
UTC = pa.timestamp("us", "UTC")
Change = Callable[[pa.Table], pa.Table]
FOLDER = f"{MAIN}/{PARTITIONS[0]}={PERIOD}"

READ = (
    "more.snappy.parquet",
    "part 1.parquet",
    "part%201.parquet",
    "part#1.parquet",
    "part?1.parquet",
    "größe.parquet",
    "-.parquet",
)
IGNORED = (
    "_SUCCESS",
    "_metadata",
    "_temporary/0/part-0.parquet",
    ".part-0.parquet.crc",
    "part-0.parquet.crc",
    "._part-0.parquet",
    ".hidden/part-0.parquet",
    "day=16_$folder$",
)
OF_ANOTHER_NAME = (
    "PART-1.PARQUET",
    "part-1.Parquet",
    "part-1.pq",
    "part-1.parq",
    "part-1.parquet.gz",
    "part-1.parquet.tmp",
    "part-1.CSV",
    "part-1.csv.gz",
    "part-1.csv ",
    "parquet",
)


def table(source: Path) -> pa.Table:
    return pq.ParquetFile(source / FOLDER / f"{MAIN}.parquet").read()


def put(root: UPath, name: str, content: bytes) -> None:
    (root / FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
    (root / FOLDER / name).write_bytes(content)


def unread(root: UPath) -> dict[str, str]:
    """Return what is not read of the period, and why."""
    parts = Source(str(root)).parts(PERIOD).items()
    return {
        name.removeprefix(f"{FOLDER}/"): part.why.partition("not read: ")[2]
        for name, part in parts
        if isinstance(part, Unread)
    }


@pytest.fixture(params=["disk", "store"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> UPath:
    return UPath(tmp_path if request.param == "disk" else f"memory://{tmp_path}")


def test_files_are_read_whatever_their_names(source: Path, root: UPath) -> None:
    whole = pl.read_parquet(source / FOLDER / f"{MAIN}.parquet")
    for number, name in enumerate(READ):
        file = io.BytesIO()
        whole.gather_every(len(READ), number).write_parquet(file)
        put(root, name, file.getvalue())
    for name in IGNORED:
        put(root, name, b"?")
    assert unread(root) == {}
    assert_frame_equal(Source(str(root)).tables(PERIOD, [MAIN])[MAIN].sort(TIME, "depot"), whole)


def test_what_is_not_read_is_named(root: UPath) -> None:
    for name in OF_ANOTHER_NAME:
        put(root, name, b"?")
    for name in ("day=16/part-0.parquet", "part-2.parquet/part-0.parquet"):
        put(root, name, b"?")
    reason = "its name does not end in .parquet or .csv"
    folders = dict.fromkeys(("day=16", "part-2.parquet"), "it is a folder, and files are expected")
    found = unread(root)
    assert found.keys() == {*OF_ANOTHER_NAME, *folders}
    assert all(found[name].startswith(folders.get(name, reason)) for name in found)
    with pytest.raises(pl.exceptions.ComputeError, match="is not read: "):
        Source(str(root)).tables(PERIOD, [MAIN])


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    put(UPath(tmp_path), "main.parquet", b"?")
    folder = tmp_path / FOLDER
    (folder / "linked.parquet").symlink_to("main.parquet")
    (folder / "nowhere.parquet").symlink_to("missing")
    (folder / "circle.parquet").symlink_to("circle.parquet")
    (folder / "linked").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.parquet")
    (folder / "two\nlines.parquet").touch()
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.parquet")).touch()
    assert list(unread(UPath(tmp_path))) == [
        "caf\\udce9.parquet",
        "circle.parquet",
        "linked",
        "nowhere.parquet",
        "pipe.parquet",
        "two\\nlines.parquet",
    ]


@pytest.mark.parametrize(
    "stray",
    [
        f"{MAIN.upper()}/{PARTITIONS[0]}={PERIOD}/more.parquet",
        f"{MAIN}.parquet.gz",
        f"{MAIN}.PARQUET",
        f"{MAIN}/more.parquet",
        f"{MAIN}/year=2013/more.parquet",
        f"{MAIN}/{PARTITIONS[0]}=2013-5/more.parquet",
        f"{MAIN}/{PARTITIONS[0]}=2013-99/more.parquet",
        "depots.pq",
        f"{MAIN} (1).csv",
        f"{MAIN}-2.parquet",
        f"{MAIN}_{PERIOD}.parquet",
        f"{MAIN} - Copy.parquet",
        "depots2.csv",
    ],
)
def test_what_is_of_no_period_is_refused(source: Path, tmp_path: Path, stray: str) -> None:
    put(UPath(tmp_path), f"{MAIN}.parquet", (source / FOLDER / f"{MAIN}.parquet").read_bytes())
    assert Source(str(tmp_path)).periods() == [PERIOD]
    (tmp_path / stray).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / stray).touch()
    with pytest.raises(BadInput, match="which is not read: name it like"):
        Source(str(tmp_path)).periods()


@pytest.mark.parametrize("name", [f"{MAIN}ly.csv", f"{MAIN}_partners.parquet", "README.md"])
def test_what_is_of_no_table_is_ignored(tmp_path: Path, name: str) -> None:
    put(UPath(tmp_path), f"{MAIN}.parquet", b"?")
    (tmp_path / name).touch()
    assert Source(str(tmp_path)).periods() == [PERIOD]


@pytest.mark.parametrize(
    "log", [f"{FOLDER}/_delta_log/0.json", f"{MAIN}/.hoodie/hoodie.properties", "_delta_log/0.json"]
)
def test_a_table_with_a_log_is_refused(root: UPath, log: str) -> None:
    put(root, f"{MAIN}.parquet", b"?")
    (root / log).parent.mkdir(parents=True)
    (root / log).write_bytes(b"?")
    with pytest.raises(BadInput, match=r"is a (Delta|Hudi) table, whose log"):
        Source(str(root)).parts(PERIOD)


@pytest.mark.parametrize(
    "stray", [f"{PERIOD}/more.parquet", f"{PARTITIONS[0]}={PERIOD}.tmp/more.parquet"]
)
def test_what_names_a_period_is_a_fault_of_that_one(tmp_path: Path, stray: str) -> None:
    put(UPath(tmp_path), f"{MAIN}.parquet", b"?")
    put(UPath(tmp_path), f"../{stray}", b"?")
    assert Source(str(tmp_path)).periods() == [PERIOD]
    assert list(unread(UPath(tmp_path))) == [f"{MAIN}/{stray.partition('/')[0]}"]
    assert not any(isinstance(part, Unread) for part in Source(str(tmp_path)).parts(P[7]).values())


@pytest.mark.parametrize(
    "stray", ["{}", "{}.parquet", "period={}.tmp", f"{PARTITIONS[0].title()}={{}}"]
)
def test_a_period_that_only_a_stray_names_was_delivered(tmp_path: Path, stray: str) -> None:
    (tmp_path / MAIN / stray.format(PERIOD)).mkdir(parents=True)
    source = Source(str(tmp_path))
    assert source.periods() == [PERIOD]
    assert [isinstance(part, Unread) for part in source.parts(PERIOD).values()] == [True]
    assert {part.checksum() for part in source.parts(PERIOD).values()} == {"not read: period"}


# Types


def cast(name: str, dtype: pa.DataType) -> Change:
    """Return the change of a column to another type."""

    def change(table: pa.Table) -> pa.Table:
        values = table[name].dictionary_encode() if dtype == "dictionary" else None
        values = values or table[name].cast(dtype)
        return table.set_column(table.column_names.index(name), name, values)

    return change


def rounded(dtype: pa.DataType) -> Change:
    """Return the change of all weights to one that the type holds."""

    def change(table: pa.Table) -> pa.Table:
        values = pa.array([Decimal(2) if pa.types.is_decimal(dtype) else 2] * len(table), dtype)
        return table.set_column(table.column_names.index(REQUIRED), REQUIRED, values)

    return change


def another_order(table: pa.Table) -> pa.Table:
    return table.select(table.column_names[::-1])


HARMLESS: dict[str, Change] = {
    "large text": cast("depot", pa.large_string()),
    "a view of text": cast("depot", pa.string_view()),
    "categories": cast("depot", "dictionary"),
    "nanoseconds": cast(TIME, pa.timestamp("ns", "UTC")),
    "another zone": cast(TIME, pa.timestamp("us", "Asia/Kolkata")),
    "whole hours": cast(TIME, pa.timestamp("us", "-05:00")),
    "a year that nobody reads": lambda table: table.append_column(
        "odd", pa.array([2**59] * len(table), UTC)
    ),
    "whole numbers": rounded(pa.int16()),
    "unsigned numbers": rounded(pa.uint64()),
    "half as wide": rounded(pa.float32()),
    "decimals": rounded(pa.decimal128(12, 2)),
    "another order": another_order,
    "no value": lambda table: table.set_column(
        table.column_names.index(OUTCOME), OUTCOME, pa.nulls(len(table))
    ),
}
REAL: dict[str, tuple[Change, str, str]] = {
    "bytes": (cast("depot", pa.binary()), "depot", "Binary"),
    "text": (cast(REQUIRED, pa.string()), REQUIRED, "String"),
    "no zone": (cast(TIME, pa.timestamp("us")), TIME, "Datetime"),
    "a date": (cast(TIME, pa.date32()), TIME, "Date"),
    "durations": (rounded(pa.duration("s")), REQUIRED, "Duration"),
}
UNREADABLE: dict[str, tuple[Change, str]] = {
    "an offset": (cast(TIME, pa.timestamp("us", "+05:30")), "has the time zone '+05:30'"),
    "an unknown zone": (cast(TIME, pa.timestamp("us", "Mars/Base")), "has the time zone 'Mars"),
    "an offset in a list": (
        lambda table: table.append_column(
            "more", pa.array([[]] * len(table), pa.list_(pa.timestamp("us", "+05:30")))
        ),
        "`more` has the time zone '+05:30'",
    ),
    "the year 20000": (
        lambda table: table.set_column(
            table.column_names.index(TIME), TIME, pa.array([2**59] * len(table), UTC)
        ),
        f"`{TIME}` has times outside of the years 1 to 9999",
    ),
    "a name twice": (
        lambda table: table.append_column("depot", table["depot"]),
        "it has the column `depot` 2 times",
    ),
}


def read(table: pa.Table, **options: object) -> pl.DataFrame:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return formats.read("more.parquet", file.getvalue(), TYPES)


@pytest.mark.parametrize("kind", HARMLESS)
def test_types_that_hold_the_same_values_become_the_declared_ones(source: Path, kind: str) -> None:
    found = read(HARMLESS[kind](table(source)))
    assert {name: found.schema[name] for name in TYPES} == TYPES


@pytest.mark.parametrize("kind", REAL)
def test_other_types_stay_and_are_named(source: Path, kind: str) -> None:
    change, column, dtype = REAL[kind]
    found = read(change(table(source)))
    findings = list(map(str, find_faults({MAIN: found}, PERIOD, [MAIN])))
    assert any(f"{MAIN}.{column}: its type is {dtype}" in finding for finding in findings)


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_polars_fails_on_is_not_readable(source: Path, kind: str) -> None:
    change, reason = UNREADABLE[kind]
    with pytest.raises(pl.exceptions.ComputeError, match=r"more\.parquet is not readable") as error:
        read(change(table(source)))
    assert reason in str(error.value)


def test_values_that_another_type_would_change_stay(source: Path) -> None:
    more = (
        pl.Series("whole", [0.5]),
        pl.Series("exact", [2**53 + 1]),
        pl.Series("nan", [float("nan")]),
    )
    types = {"whole": pl.Int64(), "exact": pl.Float64(), "nan": pl.Int64()}
    file = io.BytesIO()
    pl.DataFrame(more).write_parquet(file)
    assert formats.read("x.parquet", file.getvalue(), types).dtypes == [s.dtype for s in more]


def test_a_column_of_another_spelling_is_named(source: Path) -> None:
    rows = read(table(source)).rename({"depot": "Depot "})
    (finding,) = find_faults({MAIN: rows}, PERIOD, [MAIN])
    assert str(finding) == f"{MAIN}.depot: the column is missing, and there is 'Depot '"


@pytest.mark.parametrize("options", [{"compression": "zstd"}, {"row_group_size": 1}])
def test_parquet_as_others_write_it(source: Path, options: dict[str, object]) -> None:
    assert_frame_equal(read(table(source), **options), read(table(source)))


# Damaged files


def test_no_changed_byte_ends_the_process(source: Path, tmp_path: Path) -> None:
    """Each change is noticed, or read as other values: the template's tests make many more."""
    good = (source / FOLDER / f"{MAIN}.parquet").read_bytes()
    chance, file = Random(1), tmp_path / FOLDER / f"{MAIN}.parquet"  # noqa: S311
    file.parent.mkdir(parents=True)
    damaged = 0
    for _ in range(150):
        content = bytearray(good)
        content[chance.choice([chance.randrange(len(good)), -chance.randrange(1, 2000)])] = (
            chance.randrange(256)
        )
        file.write_bytes(content)
        try:
            tables = Source(str(tmp_path)).tables(PERIOD, [MAIN])
        except pl.exceptions.ComputeError:
            damaged += 1
        else:
            find_faults(tables, PERIOD, [MAIN])
    assert 20 < damaged < 150


def test_a_file_that_ends_the_reader_is_named() -> None:
    for code, how in (("import os; os.abort()", "SIGABRT"), ("raise SystemExit(3)", "exit code 3")):
        with pytest.raises(pl.exceptions.ComputeError, match=rf"ends the process .*, with {how}"):
            isolated.call(exec, code)
        assert isolated.call(len, "four") == 4
    with pytest.raises(ZeroDivisionError):
        isolated.call(exec, "1 / 0")


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
def test_a_reader_that_was_killed_says_nothing_of_the_file(how: str) -> None:
    code = f"import os, signal; os.kill(os.getpid(), signal.{how})"
    with pytest.raises(RuntimeError, match=rf"was killed with {how}. Out of memory\?"):
        isolated.call(exec, code)
    assert isolated.call(len, "four") == 4


def test_what_is_printed_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('hello')\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    reader = isolated.Reader()
    assert reader.call(len, "four") == 4
    reader.call(exec, "print('hello', flush=True)")
    reader.close()


def test_a_reader_that_gives_no_answer_and_stays_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(isolated, "PATIENCE", 0.1)
    code = "import os, signal, sys; os.close(int(sys.argv[1])); signal.pause()"
    with pytest.raises(RuntimeError, match="was killed with SIGKILL"):
        isolated.Reader().call(exec, code)


def test_a_reader_that_something_else_ended_is_started_again(tmp_path: Path) -> None:
    once = tmp_path / "once"
    code = "import os, pathlib; p = pathlib.Path({!r}); p.exists() or (p.touch(), os._exit(9))"
    isolated.call(exec, code.format(str(once)))
    assert once.exists()


def test_a_reader_that_does_not_start_is_no_damaged_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match=r"/bin/false -m .* ended with 1"):
        isolated.Reader().call(len, "four")


def test_rows_of_one_file_are_split_in_batches(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "BATCH", 7)
    whole = read(table(source)).sample(fraction=1, shuffle=True, seed=1)
    file, limits = tmp_path / "all.parquet", sorted(whole[TIME].sample(4, seed=1))
    whole.write_parquet(file)
    parts = {tmp_path / f"{n}.parquet": (limits[n], limits[n + 1]) for n in range(3)}
    broken = tmp_path / "all.csv"
    broken.write_text(f"{','.join(TYPES)}\nbroken\n", encoding="utf-8")
    with pytest.raises(pl.exceptions.ComputeError):
        formats.split("all.csv", broken, TYPES, TIME, parts)
    assert not any(part.exists() for part in parts)
    formats.split("all.parquet", file, TYPES, TIME, parts)
    for part, (start, end) in parts.items():
        expected = whole.filter(pl.col(TIME).is_between(start, end, closed="left"))
        assert_frame_equal(pl.read_parquet(part), expected, check_row_order=False)
    zone = room.tables().TIME_ZONE
    expected_days = {*whole[TIME].dt.convert_time_zone(zone).dt.date()}
    assert formats.days("all.parquet", file, TYPES, TIME, zone) == expected_days
