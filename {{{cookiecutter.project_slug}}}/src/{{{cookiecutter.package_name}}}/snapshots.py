"""Versions of the data that runs were trained on, kept in DVC's storage.

The remote `snapshots` of `.dvc/config` says where. Files are stored by the hash of their content,
so months that many runs share are there once. Each function works in a small DVC repository of its
own that goes away with it: the run's folder may lie anywhere, and git plays no part. Call them
under `one_at_a_time`.
"""

import logging
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from upath import UPath

from .errors import BadInput
from .workspace import locked

if TYPE_CHECKING:
    from dvc.repo import Repo

REMOTE = "snapshots"
WORKSHOP = Path(".dvc/tmp/snapshots")


def save(folder: UPath, names: Iterable[str]) -> str:
    """Store the files of these names below a folder; return their version, 32 hex.

    The same names and contents have the same version.

    Raises:
        BadInput: no storage is configured.
        dvc.exceptions.DvcException, OSError: the storage does not take it; trying again may help.
    """
    with _repository() as (repo, root):
        for name in names:
            copy = root / "data" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((folder / name).read_bytes())
        (stage,) = repo.add(str(root / "data"))
        repo.push(remote=REMOTE)
        return str(stage.outs[0].hash_info.value).removesuffix(".dir")


def restore(version: str, target: Path) -> None:
    """Bring a version back as the folder `target`, in place of what is there, once it is complete.

    Raises:
        BadInput: the storage lacks it, or what it has does not match the hash any more.
    """
    from dvc.exceptions import DvcException

    with _repository() as (repo, root):
        _name(root, version)
        try:
            repo.pull(remote=REMOTE)
        except DvcException as error:
            raise BadInput(
                f"Data version {version} cannot be restored: not all of it could be fetched, whole "
                f"and undamaged, from the remote `{REMOTE}` of .dvc/config "
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
    """Remove from the storage all that the versions to keep do not need.

    Args:
        keep: versions, by the id of a run that needs them.
        alone: whether it is known that nobody else stores data there.

    Raises:
        BadInput: others may do so, or a version to keep is not there; nothing is removed.
    """
    with _repository() as (repo, root):
        storage = repo.cloud.get_remote_odb(REMOTE)
        if not alone and storage.fs.protocol != "local":
            raise BadInput(
                f"Nothing is removed: the remote `{REMOTE}` of .dvc/config is not on this machine, "
                "and others may keep data there that nobody here knows of; where this folder alone "
                "stores data there, add --alone."
            )
        for version in set(keep.values()):
            _name(root, version)
        # What DVC cannot read it would take for empty, and remove all that is in it.
        there = {out.hash_info.value: out.get_dir_cache(remote=REMOTE) for out in repo.index.outs}
        lacking = sorted(run_id for run_id, version in keep.items() if not there[f"{version}.dir"])
        if lacking:
            raise BadInput(
                f"Nothing is removed: the remote `{REMOTE}` of .dvc/config lacks the data of "
                f"{', '.join(lacking)}, or has them damaged; is it the right one?"
            )
        repo.gc(workspace=True, cloud=True, remote=REMOTE)


def probe() -> str:
    """Return where versions are stored, after seeing that something can be stored there.

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
    """Keep others in this project's folder from storing or removing data.

    Args:
        patience: seconds to wait for them.

    Raises:
        filelock.Timeout: they took longer.
    """
    waiting = "another process stores or removes data; waiting"
    return locked(UPath(WORKSHOP) / ".lock", waiting, patience)


def _name(root: Path, version: str) -> None:
    """Tell the repository of a version; its hash is all that DVC needs."""
    out = f"outs:\n- md5: {version}.dir\n  hash: md5\n  path: {version}\n"
    (root / f"{version}.dvc").write_text(out, encoding="utf-8")


@contextmanager
def _repository() -> "Iterator[tuple[Repo, Path]]":
    """Yield a DVC repository in a temporary folder, with the remotes of the project's own.

    In this process, since each call of DVC's command line costs a second of imports. Whoever calls
    this holds the lock: what others left was left by a process that was killed.
    """
    from dvc.config import Config
    from dvc.fs import RemoteMissingDepsError
    from dvc.repo import Repo

    for chatty in ("dvc", "dvc_data", "dvc_objects"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    remotes = Config(dvc_dir=str(Path(".dvc").absolute()))["remote"]
    if REMOTE not in remotes:
        raise BadInput(f"No remote `{REMOTE}` is in .dvc/config: add it, data versions go there.")
    WORKSHOP.mkdir(parents=True, exist_ok=True)
    for left in WORKSHOP.glob("*/"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=WORKSHOP) as made:
        root = Path(made)
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
