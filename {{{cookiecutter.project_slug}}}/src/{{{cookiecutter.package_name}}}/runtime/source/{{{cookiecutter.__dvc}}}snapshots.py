"""Snapshots: versions of the data that runs were trained on, in DVC's storage.

The remote `snapshots` of `.dvc/config` says where. Files are stored by the hash of their content,
so periods that many runs share are stored once. Each function works in a temporary DVC repository:
the run directory may lie anywhere, and git plays no part. Call them under `one_at_a_time`.
"""

import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from upath import UPath

from ..errors import BadInput
from ..files import locked
from .content import is_intact

if TYPE_CHECKING:
    from dvc.repo import Repo

REMOTE = "snapshots"
WORKSHOP = Path(".dvc/tmp/snapshots")


def save(folder: UPath, files: Mapping[str, str]) -> str:
    """Store files of a folder, and return their version, 32 hex.

    The same names and contents have the same version. `files` has checksums by name.

    Raises:
        BadInput: no storage is configured.
        RuntimeError: a file is not what its checksum says.
        dvc.exceptions.DvcException, OSError: the storage refuses it; a retry may help.
    """
    with _repository() as (repo, root):
        for name, checksum in files.items():
            if not is_intact(folder / name, checksum):
                raise RuntimeError(
                    f"{folder / name} is damaged: remove it, {checksum} in `.cache/files` of the "
                    "folder of runs, and this run's directory; then start the run again."
                )
            copy = root / "data" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((folder / name).read_bytes())
        (stage,) = repo.add(str(root / "data"))
        repo.push(remote=REMOTE)
        return str(stage.outs[0].hash_info.value).removesuffix(".dir")


def restore(version: str, target: Path) -> None:
    """Restore a version as the folder `target`, which is replaced once the version is complete.

    Raises:
        BadInput: the storage lacks it, or its files no longer match their hash.
    """
    from dvc.exceptions import DvcException

    with _repository() as (repo, root):
        _name(root, version)
        try:
            repo.pull(remote=REMOTE)
        except DvcException as error:
            raise BadInput(
                f"Data version {version} cannot be restored: some of its files are missing or "
                f"damaged in the remote `{REMOTE}` of .dvc/config "
                f"({' '.join(str(error).split())})."
            ) from error
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{uuid4().hex[:8]}.part")
        try:
            shutil.copytree(root / version, part)
            shutil.rmtree(target, ignore_errors=True)
            part.replace(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def prune(keep: Mapping[str, str], *, alone: bool) -> None:
    """Remove the files from the storage that no version to keep needs.

    `keep` has versions by the id of a run that needs them; `alone`: nobody else stores data there.

    Raises:
        BadInput: others may, or a version to keep is missing; nothing is removed.
    """
    with _repository() as (repo, root):
        storage = repo.cloud.get_remote_odb(REMOTE)
        if not alone and storage.fs.protocol != "local":
            raise BadInput(
                f"Nothing is removed: the remote `{REMOTE}` of .dvc/config is not on this machine, "
                "and other projects may store data there; add --alone if this one alone does."
            )
        for version in set(keep.values()):
            _name(root, version)
        # DVC takes a version that it cannot read for empty, and would remove its files.
        there = {out.hash_info.value: out.get_dir_cache(remote=REMOTE) for out in repo.index.outs}
        lacking = sorted(run_id for run_id, version in keep.items() if not there[f"{version}.dir"])
        if lacking:
            raise BadInput(
                f"Nothing is removed: the remote `{REMOTE}` of .dvc/config lacks the data of "
                f"{', '.join(lacking)}, or they are damaged; check that it is the right one."
            )
        repo.gc(workspace=True, cloud=True, remote=REMOTE)


def probe() -> str:
    """Return where versions are stored, after writing a file there and removing it.

    Raises:
        BadInput: no storage is configured.
        Exception: whatever the storage raises where it cannot be written to.
    """
    with _repository() as (repo, _):
        storage = repo.cloud.get_remote_odb(REMOTE)
        file = storage.fs.join(storage.path, f".probe-{uuid4().hex[:8]}")
        storage.fs.makedirs(storage.path, exist_ok=True)
        storage.fs.pipe_file(file, b"")
        storage.fs.remove(file)
        return str(repo.config["remote"][REMOTE]["url"])


def one_at_a_time(patience: float = 3600) -> AbstractContextManager[None]:
    """Hold the lock of this project's snapshots; see `locked`."""
    waiting = "waiting for another process that stores or removes data"
    return locked(UPath(WORKSHOP) / ".lock", waiting, patience)


def _name(root: Path, version: str) -> None:
    """Add a version to the repository; its hash is all that DVC needs."""
    out = f"outs:\n- md5: {version}.dir\n  hash: md5\n  path: {version}\n"
    (root / f"{version}.dvc").write_text(out, encoding="utf-8")


@contextmanager
def _repository() -> "Iterator[tuple[Repo, Path]]":
    """Yield a DVC repository in a temporary folder, with the remotes of the project's own.

    DVC runs in this process: each call of its command line costs a second of imports. The caller
    holds the lock, so folders found here belong to processes that were killed.
    """
    from dvc.config import Config
    from dvc.fs import RemoteMissingDepsError
    from dvc.repo import Repo

    for chatty in ("dvc", "dvc_data", "dvc_objects"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    remotes = Config(dvc_dir=str(Path(".dvc").absolute()))["remote"]
    if REMOTE not in remotes:
        raise BadInput(f".dvc/config has no remote `{REMOTE}`: add it, snapshots are stored there.")
    WORKSHOP.mkdir(parents=True, exist_ok=True)
    for left in WORKSHOP.glob("*/"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=WORKSHOP) as folder:
        root = Path(folder)
        (root / ".dvc").mkdir()
        config = {
            "core": {"no_scm": True, "site_cache_dir": str(root / ".dvc/site")},
            "cache": {"type": "reflink,hardlink,copy"},
            "remote": remotes | {REMOTE: remotes[REMOTE] | {"verify": True}},
        }
        try:
            with Repo(str(root), config=config) as repo:
                yield repo, root
        except RemoteMissingDepsError as error:
            raise BadInput(
                f"The remote `{REMOTE}` of .dvc/config needs a package that is not installed: "
                f"{' '.join(str(error).split())}"
            ) from error
