"""Files of a run are written whole or not at all."""

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from upath import UPath

from {{{ cookiecutter.package_name }}}.runtime.files import (
    read_json,
    read_parquet,
    write,
    write_json,
    write_parquet,
)
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import Run, RunDir

from .conftest import P

RUN = Run(run_id=f"{P[6]}-0123abcd", period=P[6], folder=f"/runs/{P[6]}-0123abcd")


def test_a_run_travels_as_json() -> None:
    text = RUN.model_dump_json()
    assert Run.model_validate_json(text) == RUN
    assert len(text) < 100


def test_everything_lies_in_the_run_directory() -> None:
    run_dir = RunDir(RUN)
    assert str(run_dir.folder) == f"/runs/{P[6]}-0123abcd"
    places = [place for place in vars(run_dir).values() if place != run_dir.folder]
    places += [run_dir.manifest(P[5]), run_dir.features(P[5]), run_dir.curve("any")]
    assert len(set(places)) == len(places) >= 10
    assert all(run_dir.folder in place.parents for place in places)


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    folder = UPath(tmp_path) / "not" / "yet" / "there"
    table = pl.DataFrame({"a": [1, None], "b": ["é", "'"], "c": [0.1, float("inf")]})
    write_parquet(folder / "table.parquet", table)
    assert_frame_equal(read_parquet(folder / "table.parquet"), table)
    write_json(folder / "run.json", RUN)
    assert read_json(folder / "run.json", Run) == RUN
    write(folder / "bytes", b"one")
    write(folder / "bytes", b"two")
    assert (folder / "bytes").read_bytes() == b"two"
    assert {file.name for file in folder.iterdir()} == {"table.parquet", "run.json", "bytes"}


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = UPath(tmp_path) / "model.pkl"
    write(file, b"old")
    whole = Path.write_bytes

    def disk_full(part: Path, content: bytes) -> int:
        whole(part, content[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", disk_full)
    with pytest.raises(OSError, match="No space left"):
        write(file, b"brand new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [tmp_path / "model.pkl"]
