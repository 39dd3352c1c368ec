"""Files that are there whole or not at all, locks, and calls that may hang.

A killed process leaves no half-written file, on a disk or in an object store.
"""

import errno
import io
import logging
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from filelock import FileLock, Timeout
from pydantic import BaseModel
from upath import UPath

from .errors import BadInput

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger(__name__)

Model = TypeVar("Model", bound=BaseModel)
Answer = TypeVar("Answer")


def is_local(path: UPath) -> bool:
    """Return whether `path` is on a disk of this machine, where files can be renamed and locked."""
    return path.protocol in ("", "file", "local")


@contextmanager
def locked(file: UPath, waiting: str, patience: float = 3600) -> Iterator[None]:
    """Hold the lock `file`, which the operating system frees when its holder dies.

    In an object store there is no lock: there the orchestrator keeps apart what must not overlap.
    `waiting` is logged while another process holds it.

    Raises:
        filelock.Timeout: it was held for longer than `patience`, in seconds.
    """
    if not is_local(file):
        yield
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file.path)
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        log.warning(waiting)
        held = lock.acquire(timeout=patience)
    with held:
        yield


def check_writable(folder: UPath) -> None:
    """Raise `BadInput` where a folder of this machine lets nobody write, or not this user."""
    if is_local(folder) and not folder.exists():
        return  # it is made when needed
    probe = folder / f".probe-{uuid4().hex[:8]}"
    try:
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise BadInput(
            f"{folder} cannot be written: {error.strerror}; give yourself the right to write, or "
            "correct `runs` in params.yaml."
        ) from error


def in_time(patience: float, ask: Callable[[], Answer], late: str) -> Answer:
    """Return what a call returns in `patience` seconds.

    The call runs in a thread of its own, which is abandoned where it hangs: not every protocol
    has a time limit, and no orchestrator interrupts a call that waits in compiled code.

    Raises:
        TimeoutError: it takes longer; `late` is what it says.
    """
    answer: Future[Answer] = Future()

    def wait() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:  # noqa: BLE001 - raised by the caller's thread
            answer.set_exception(error)

    Thread(target=wait, daemon=True).start()
    try:
        return answer.result(patience)
    except TimeoutError:
        if answer.done():
            raise
        raise TimeoutError(late) from None


def write(file: UPath, content: bytes) -> None:
    """Write `file` whole or not at all, with the folders above it."""
    if not is_local(file):
        file.write_bytes(content)  # an object store shows an object only once it is complete
        return
    with scratch(file) as part:
        part.write_bytes(content)
        part.replace(file.path)


@contextmanager
def scratch(file: UPath) -> Iterator[Path]:
    """Yield a new file of this machine, which `move` can put in the place of `file`."""
    name = f".{file.name}.{uuid4().hex[:8]}.part"
    if is_local(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        part = Path(file.path).with_name(name)  # on the same disk
    else:
        part = Path(tempfile.gettempdir()) / name
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def move(part: Path, file: UPath) -> None:
    """Move what was written to a `scratch` file to `file`, unless it is there."""
    if file.exists():
        return
    if is_local(file):
        part.replace(file.path)
    else:
        file.fs.put_file(str(part), file.path)


def share(file: UPath, other: UPath) -> None:
    """Let `other` have the content of `file`, unless it is there: on a disk they are one file.

    That file is read-only. An object store, and a disk without links, hold a copy.
    """
    if other.exists():
        return
    if is_local(file) and is_local(other):
        other.parent.mkdir(parents=True, exist_ok=True)
        try:
            Path(file.path).chmod(file.stat().st_mode & 0o555)
            Path(other.path).hardlink_to(file.path)
        except FileExistsError:
            return  # another process was quicker
        except FileNotFoundError:
            raise
        except OSError:
            write(other, file.read_bytes())
    elif file.protocol == other.protocol:
        file.fs.cp_file(file.path, other.path)
    else:
        write(other, file.read_bytes())


def write_json(file: UPath, content: BaseModel) -> None:
    """Write `content` as indented JSON."""
    write(file, content.model_dump_json(indent=2).encode() + b"\n")


def read_json(file: UPath, model: type[Model]) -> Model:
    """Return what `write_json` wrote."""
    return model.model_validate_json(file.read_bytes())


def write_parquet(file: UPath, table: "pl.DataFrame") -> None:
    """Write `table` as Parquet; Snappy is quick to write and known everywhere."""
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="snappy")
    write(file, buffer.getvalue())


def read_parquet(file: UPath) -> "pl.DataFrame":
    """Return a Parquet file."""
    import polars as pl

    return pl.read_parquet(io.BytesIO(file.read_bytes()))
