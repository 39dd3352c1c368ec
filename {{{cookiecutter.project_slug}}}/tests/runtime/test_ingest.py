"""Ingest: the files of a period are copied byte for byte, and each is downloaded once."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
import pytest
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]
from polars.testing import assert_frame_equal
from upath import UPath

from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.files import read_json, read_parquet
from {{{ cookiecutter.package_name }}}.runtime.periods import PARTITIONS
from {{{ cookiecutter.package_name }}}.runtime.results import Manifest, Quality
from {{{ cookiecutter.package_name }}}.runtime.run import checksums
from {{{ cookiecutter.package_name }}}.runtime.run.plan import read_plan
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import Run, RunDir
from {{{ cookiecutter.package_name }}}.runtime.source.content import sha256
from {{{ cookiecutter.package_name }}}.runtime.source.reader import Source
from {{{ cookiecutter.package_name }}}.runtime.steps.ingest import ingest

from .conftest import MAIN, NEVER, P, Project

FILE = f"{MAIN}/{PARTITIONS[0]}={P[5]}/{MAIN}.parquet"


def test_files_are_copied_byte_for_byte_and_counted(project: Project) -> None:
    run = project.plan(P[6])
    manifest = ingest(run, P[5])
    assert manifest == read_json(RunDir(run).manifest(P[5]), Manifest)
    assert {name.partition("/")[0] for name in manifest.files} == set(room.tables().TABLES)
    for name, file in manifest.files.items():
        copy = RunDir(run).raw / name
        assert sha256(copy.read_bytes()) == file.sha256 == read_plan(run).checksums[P[5]][name]
        assert read_parquet(copy).height == file.rows
    assert manifest.files[FILE].sha256 == sha256(project.delivered(MAIN, P[5]).read_bytes())


def test_a_file_that_changed_after_planning_is_refused(project: Project) -> None:
    run = project.plan(P[6])
    project.deliver(MAIN, P[5], lambda rows: rows.head(100))
    with pytest.raises(RuntimeError, match=f"{FILE} of {P[5]} changed at the source"):
        ingest(run, P[5])
    assert not RunDir(run).manifest(P[5]).exists()
    project.delivered(MAIN, P[5]).unlink()
    with pytest.raises(RuntimeError, match="start the run again once the delivery is complete"):
        ingest(run, P[5])


def test_a_file_that_is_not_parquet_has_no_rows(project: Project) -> None:
    project.delivered(MAIN, P[5]).write_bytes(b"PAR1 truncated")
    run = project.plan(P[6])
    assert ingest(run, P[5]).files[FILE].rows is None


def test_several_files_of_a_table_are_one_table(project: Project) -> None:
    """Their columns may be in any order."""
    file = project.delivered(MAIN, P[5])
    whole = pl.read_parquet(file)
    whole.head(1000).write_parquet(file)
    rest = whole.tail(-1000).select(reversed(whole.columns))
    rest.write_parquet(file.with_name("more.parquet"))
    run = project.work(P[6], last="validate")
    read = Source(str(RunDir(run).raw)).tables(P[5], [MAIN])[MAIN]
    assert_frame_equal(read, whole, check_row_order=False, check_column_order=False)
    assert read_json(RunDir(run).quality, Quality).reason == "no findings"


# A source that is not a disk: files have an ETag, and downloads are counted.


class Bucket:
    """The source of a project in an object store."""

    def __init__(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        self.downloads: Counter[str] = Counter()
        self.root = UPath(f"memory://{uuid4().hex}/source")
        local = project.folder / "data/source"
        for file in (file for file in local.rglob("*") if file.is_file()):
            self.put(file.relative_to(local).as_posix(), file.read_bytes())
        info, opened = MemoryFileSystem.info, MemoryFileSystem.open

        def info_with_tag(store: Any, path: str, **kwargs: Any) -> dict[str, Any]:
            found: dict[str, Any] = info(store, path, **kwargs)
            content = store.store.get(found["name"])
            return found | ({"ETag": sha256(content.getvalue())[:32]} if content else {})

        def counted_open(store: Any, path: str, mode: str = "rb", **kwargs: Any) -> Any:
            if mode == "rb":
                self.downloads[path.removeprefix(self.root.path).lstrip("/")] += 1
            return opened(store, path, mode, **kwargs)

        monkeypatch.setattr(MemoryFileSystem, "info", info_with_tag)
        monkeypatch.setattr(MemoryFileSystem, "open", counted_open)
        project.tune(source=str(self.root))

    def put(self, name: str, content: bytes) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_bytes(content)


@pytest.fixture
def bucket(project: Project, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    return Bucket(project, monkeypatch)


def ingest_all(run: Run) -> set[str]:
    """Ingest all periods at once, as orchestrators do; return the names of the files."""
    plan = read_plan(run)
    with ThreadPoolExecutor() as pool:
        list(pool.map(partial(ingest, run), plan.periods))
    return {name for files in plan.checksums.values() for name in files}


def test_each_file_is_downloaded_once(project: Project, bucket: Bucket) -> None:
    names = ingest_all(project.plan(P[6]))
    assert bucket.downloads == dict.fromkeys(names, 1)
    # Resumed, it reads nothing, nor does another run on the same files.
    ingest_all(project.plan(P[6]))
    project.tune(seed=project.params.seed + 1)
    ingest_all(project.plan(P[6]))
    assert bucket.downloads == dict.fromkeys(names, 1)
    # Their checksums are known: without the cached files, each is downloaded once.
    shutil.rmtree(project.folder / "runs/.cache/files")
    project.tune(seed=project.params.seed + 1)
    ingest_all(project.plan(P[6]))
    assert bucket.downloads == dict.fromkeys(names, 2)


def test_a_file_that_changed_is_downloaded_again(project: Project, bucket: Bucket) -> None:
    before = project.plan(P[6])
    ingest_all(before)
    bucket.downloads.clear()
    project.deliver(MAIN, P[5], pl.DataFrame.reverse)
    bucket.put(FILE, project.delivered(MAIN, P[5]).read_bytes())
    after = project.plan(P[6])
    assert after.run_id != before.run_id
    assert bucket.downloads[FILE] == 1
    ingest_all(after)
    assert bucket.downloads[FILE] == 1


def test_a_file_that_is_replaced_while_it_is_read_is_not_remembered(
    project: Project, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = project.delivered(MAIN, P[5]).read_bytes()
    project.deliver(MAIN, P[5], pl.DataFrame.reverse)
    new = project.delivered(MAIN, P[5]).read_bytes()
    read = Source.read

    def replaced(source: Source, file: UPath) -> bytes:
        if file.path.endswith(FILE):
            bucket.put(FILE, new)
        return read(source, file)

    def planned() -> str:
        return read_plan(project.plan(P[6])).checksums[P[5]][FILE]

    with monkeypatch.context() as patch:
        patch.setattr(Source, "read", replaced)
        assert planned() == sha256(new)
    bucket.put(FILE, old)
    assert planned() == sha256(old)


def test_remembered_checksums_are_bounded_and_may_be_damaged(
    project: Project, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = project.folder / "runs/.cache/checksums.json"
    run = project.plan(P[6])
    assert len(json.loads(memory.read_bytes())["sha256"]) > 2
    memory.write_bytes(b'{"sha256": {"an address')
    bucket.downloads.clear()
    monkeypatch.setattr(checksums, "REMEMBERED", 2)
    assert project.plan(P[6]) == run
    assert sum(bucket.downloads.values()) > 2  # nothing was remembered
    assert len(json.loads(memory.read_bytes())["sha256"]) == 2


def test_a_checksum_that_is_used_again_is_the_newest(project: Project, bucket: Bucket) -> None:
    memory = project.folder / "runs/.cache/checksums.json"
    project.plan(P[6])
    remembered = json.loads(memory.read_bytes())["sha256"]
    memory.write_text(json.dumps({"sha256": remembered | {"another file": "0"}}), encoding="utf-8")
    bucket.downloads.clear()
    project.plan(P[6])
    after = list(json.loads(memory.read_bytes())["sha256"])
    assert after[0] == "another file"
    assert set(after[1:]) == set(remembered)
    assert bucket.downloads == {}


def test_a_plan_that_is_refused_leaves_only_downloads_for_the_next(
    project: Project, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput, match=f"The source has no {NEVER}"):
        project.plan(NEVER)
    assert not (project.folder / "runs").exists()
    opened: Callable[..., Any] = MemoryFileSystem.open

    def closed(store: Any, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        if path.endswith(FILE):
            raise PermissionError("access denied")
        return opened(store, path, mode, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, "open", closed)
        with pytest.raises(BadInput, match="cannot be read: access denied"):
            project.plan(P[6])
    left = [file for file in Path("runs").rglob("*") if file.is_file()]
    assert len(left) == sum(bucket.downloads.values()) > 0
    assert all(sha256(file.read_bytes()) == file.name for file in left)
