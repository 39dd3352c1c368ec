"""Files as they arrive: with a changed byte, and with the rows of all periods in one."""

import json
from random import Random

import pytest

from tests.projects import Project, until

pytestmark = [pytest.mark.slow, pytest.mark.matrix, pytest.mark.xdist_group("team delivered files")]

CHANGES = {"flights/month=2013-04": 300, "weather/month=2013-04": 1000, "planes": 300}
"""How many changes are read and validated, by folder."""

RUNS = 20

MOST_MEMORY = 700
"""Megabytes that a process takes for a file of 190, with the libraries that it imports."""

READ = """
import json, sys
from pathlib import Path
from random import Random
import polars as pl
from my_pipeline.runtime.source.contract import find_faults
from my_pipeline.runtime.source.reader import Source

folder, count = sys.argv[1], int(sys.argv[2])
table, (file,) = folder.partition("/")[0], Path("data/source", folder).glob("*.parquet")
good, chance = file.read_bytes(), Random(folder)
ended = dict.fromkeys(("damaged", "faulty", "fine"), 0)
for _ in range(count):
    content = bytearray(good)
    content[chance.randrange(len(good))] = chance.randrange(256)
    file.write_bytes(content)
    try:
        tables = Source("data/source").tables("2013-04", [table])
        ended["faulty" if find_faults(tables, "2013-04", [table]) else "fine"] += 1
    except (pl.exceptions.ComputeError, pl.exceptions.PanicException):
        ended["damaged"] += 1
file.write_bytes(good)
print(json.dumps(ended))
"""


@pytest.mark.parametrize("folder", CHANGES)
def test_a_changed_byte_is_read_or_named(fresh: Project, folder: str) -> None:
    said = fresh.run_code(READ, folder, str(CHANGES[folder]))
    ended = json.loads(said.splitlines()[-1])
    assert sum(ended.values()) == CHANGES[folder]
    assert min(ended.values()) > 0, ended


def test_each_run_has_a_result(fresh: Project) -> None:
    chance = Random(20)  # noqa: S311
    for number in range(RUNS):
        period = ("2013-04", "2013-05")[number % 2]  # to train on, and to evaluate on
        table = ("weather", "flights")[number // 2 % 2]
        file = fresh.folder / f"data/source/{table}/month={period}/{table}.parquet"
        good = file.read_bytes()
        content = bytearray(good)
        # Half of them in the part that says where everything is.
        end = len(good) if number % 4 < 2 else 0
        content[chance.randrange(max(0, end - 3000), len(good))] ^= 1 << chance.randrange(8)
        file.write_bytes(content)
        code, said = fresh.python("run", "--period", "2013-05")
        file.write_bytes(good)
        results = [*fresh.folder.glob("runs/2013-05-*/result.json")]
        assert len(results) == number + 1, said
        assert code in (0, 3), said
        until(lambda: not fresh.processes())


LARGE = """
import polars as pl
from pathlib import Path
parts = [pl.read_parquet(file) for file in sorted(Path("data/source/flights").rglob("*.parquet"))]
whole = pl.concat([pl.concat(parts).with_columns(pl.col("flight") + 10_000 * n) for n in range(6)])
whole.write_csv("data/large/flights.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ")
"""

PLAN = """
import resource
from pathlib import Path
from tempfile import TemporaryDirectory
from my_pipeline.runtime.source import isolated
from my_pipeline.runtime.source.reader import Source

source = Source("data/large")
periods = source.periods()
parts = [source.parts(period) for period in periods[2:5]]
with TemporaryDirectory() as folder:
    for number, part in enumerate(parts):
        part["flights/period=2013-0%d/flights.parquet" % (number + 3)].save(Path(folder) / "rows")
isolated.close()
for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
    print(resource.getrusage(who).ru_maxrss // 1000)
"""


def test_one_file_is_read_in_bounded_memory(fresh: Project) -> None:
    """Two million rows: those of a period are in memory, and the file is not."""
    (fresh.folder / "data/large").mkdir()
    fresh.run_code(LARGE)
    said = fresh.run_code(PLAN)
    assert all(int(size) < MOST_MEMORY for size in said.split()), said
