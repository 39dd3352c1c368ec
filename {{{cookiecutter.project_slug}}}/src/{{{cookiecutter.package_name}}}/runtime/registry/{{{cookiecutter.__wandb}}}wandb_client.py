"""How Weights & Biases is reached: online with an API key, offline without one.

Offline, each step writes its part of a run to a folder of its own in `.wandb/`, which lies in
`WANDB_DIR`, by default the current folder. `upload` sends the parts, as one run.
"""

import json
import logging
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any
from zlib import crc32

from dotenv import dotenv_values

from .. import PROJECT
from ..errors import BadInput, Unavailable, redact
from ..wording import counted

VARIABLE = "WANDB_DIR"
MODE = "WANDB_MODE"
SERVER = ("WANDB_API_KEY", "WANDB_BASE_URL", "WANDB_ENTITY", MODE, "WANDB_PROJECT")
"""The variables that say where runs go: containers are given them."""
PATIENCE = 20.0
"""Seconds in which a server must answer."""
UPLOAD_PATIENCE = 600.0
"""Seconds in which it must have taken what a step logged."""

_DEFAULTS = {
    "WANDB_ERROR_REPORTING": "false",  # wandb's telemetry
    "WANDB_SILENT": "true",
}
_NO_JSON = re.compile(r"credentials with \S+: (EOF|invalid character)")
_UNANSWERED = re.compile("deadline|giving up|timed out|busy", re.IGNORECASE)
_STEM = attrgetter("stem")  # of a part's file: it names the run
_HEADER, _BLOCK = 7, 32768
_WHOLE, _LAST = 1, 4


@cache
def load_wandb() -> Any:
    """Return the module `wandb`, imported with its variables in `.env`, and our defaults."""
    ours = {name: value for name, value in os.environ.items() if name.startswith("WANDB_")}
    for name in (name for name, value in ours.items() if not value):
        del os.environ[name]  # of a stack: it is not set
    for name, value in (dotenv_values(Path(".env"), interpolate=False) | _DEFAULTS).items():
        if name.startswith("WANDB_") and value:
            os.environ.setdefault(name, value)
    import wandb

    logging.getLogger("wandb").propagate = False  # it has a file of its own
    return wandb


def folder() -> Path:
    """Return the folder of what is logged, which uploads read, too."""
    return Path(os.environ.get(VARIABLE) or ".") / ".wandb"


def server() -> str:
    """Return the address of W&B, without a password."""
    # wandb 0.30: `wandb.setup`, the public way to the settings of `wandb login`, starts a process.
    from wandb.sdk import wandb_setup

    given = os.environ.get("WANDB_BASE_URL") or wandb_setup.singleton().settings.base_url
    return redact(str(given)).rstrip("/")


def is_online() -> bool:
    """Return whether runs go to W&B's server: `WANDB_MODE`, or else whether there is an API key.

    Raises:
        BadInput: `WANDB_MODE` is something else, or is `online` without a key.
    """
    load_wandb()
    mode = os.environ.get(MODE)
    if mode not in (None, "", "online", "offline"):
        raise BadInput(f"{MODE} is {mode!r}: set online or offline, or leave it out.")
    if mode == "offline":
        return False
    has_key = _has_key()
    if mode == "online" and not has_key:
        raise BadInput(f"{MODE} is online, and {_no_key()}, or leave {MODE} out.")
    return has_key


def _has_key() -> bool:
    from requests.utils import get_netrc_auth

    variables = ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE")
    return any(os.environ.get(name) for name in variables) or bool(get_netrc_auth(server()))


def _no_key() -> str:
    return f"there is no API key for {server()}: set WANDB_API_KEY, or run `wandb login`"


def check() -> str:
    """Return where runs are logged, in a clause that says that it works.

    Raises:
        BadInput: the folder cannot be written, or W&B refuses the API key or the entity.
        Unavailable: W&B does not answer.
    """
    load_wandb()
    was_there = folder().exists()
    _check_folder()
    if not was_there:
        with suppress(OSError):  # another process uses it
            folder().rmdir()
    return _check_server() if is_online() else where_offline()


def where_offline() -> str:
    """Return where runs are logged offline, in a clause."""
    return f"offline: runs are logged to {folder()}, and `make sync` uploads them"


def _check_folder() -> None:
    """Raise `BadInput` where the folder cannot be written: wandb would take a temporary one."""
    place, why = folder(), "Permission denied"
    try:
        place.mkdir(parents=True, exist_ok=True)
        writable = os.access(place, os.R_OK | os.W_OK | os.X_OK)
    except OSError as error:
        writable, why = False, str(error.strerror)
    if not writable:
        raise BadInput(
            f"{place}, where runs are logged, cannot be written ({why}): set {VARIABLE} to a "
            "folder that can."
        )


def _check_server() -> str:
    import requests

    wandb, host, instead = load_wandb(), server(), f"or set {MODE}=offline"
    named = "correct WANDB_BASE_URL" if os.environ.get("WANDB_BASE_URL") else "check the network"
    try:
        requests.get(host, timeout=PATIENCE)
    except requests.RequestException as error:
        raise Unavailable(
            f"W&B at {host} does not answer ({type(error).__name__}): {named}, {instead}."
        ) from error
    try:
        viewer = wandb.Api(timeout=int(PATIENCE)).viewer
        teams = {viewer.username, *viewer.teams}
    except (wandb.errors.Error, ValueError) as error:  # the latter of pydantic
        if isinstance(error, ValueError) or _NO_JSON.search(str(error)):
            raise Unavailable(
                f"Another server answers at {host}: correct WANDB_BASE_URL, {instead}."
            ) from error
        raise explained(error) from error
    finally:
        wandb.teardown()
    if (entity := os.environ.get("WANDB_ENTITY")) and entity not in teams:
        raise BadInput(
            f"WANDB_ENTITY is {entity!r}, and the API key is of {viewer.username}: set one of "
            f"{', '.join(sorted(teams))}."
        )
    return f"{host} accepts the API key of {viewer.username}"


def explained(error: Exception) -> BadInput | Unavailable:
    """Return an error of wandb as a sentence."""
    errors, said = load_wandb().errors, redact(" ".join(str(error).split()))[:300].rstrip(".")
    if isinstance(error, TimeoutError) or _UNANSWERED.search(said):
        return Unavailable(
            f"W&B at {server()} does not answer ({said}): try again, or set {MODE}=offline."
        )
    sentence = f"W&B refuses what it was given ({said}): correct "
    if isinstance(error, errors.AuthenticationError | errors.UsageError):
        return BadInput(f"{sentence}WANDB_API_KEY, or set {MODE}=offline.")
    return Unavailable(f"{sentence}WANDB_ENTITY and WANDB_PROJECT, or set {MODE}=offline.")


@contextmanager
def opened(run_id: str, group: str, config: Mapping[str, Any]) -> Iterator[Any]:
    """Open W&B's run `run_id`, created on first use, and yield it.

    A run that began offline stays so until it is uploaded. wandb-core, a process of its own, only
    logs that it could not write: what it wrote is read back.

    Raises:
        BadInput, Unavailable: W&B refuses the run, does not answer, or took not all in time.
        RuntimeError: not all was written.
    """
    wandb = load_wandb()
    _check_folder()
    before = _swept(run_id)
    online = is_online() and all(map(is_uploaded, before))
    os.environ["WANDB_DATA_DIR"] = str(folder().absolute())  # files that wait for their upload
    try:
        with wandb.init(
            id=run_id,
            name=run_id,
            project=os.environ.get("WANDB_PROJECT") or PROJECT,
            group=group,
            config=dict(config),
            mode="online" if online else "offline",
            resume="allow" if online else None,
            settings=_settings(),
        ) as run:
            file = Path(run.settings.sync_file)
            if not online and before:
                # Each part is uploaded with a summary, which replaces that of the part before.
                run.summary.update(summary(before[-1]))
            yield run
    except (wandb.errors.Error, TimeoutError) as error:  # the latter of `finish`
        raise explained(error) from error
    finally:
        wandb.teardown()
    if not is_whole(file):
        raise RuntimeError(f"W&B did not write all to {file}: see the folder logs beside it.")


def _settings() -> Any:
    """Return wandb's settings: it collects nothing of the machine, and prints nothing."""
    return load_wandb().Settings(
        root_dir=str(folder().parent),
        use_dot_wandb=True,
        symlink=False,
        silent=True,
        console="off",
        disable_code=True,
        disable_git=True,
        host="",
        save_code=False,
        x_disable_machine_info=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_save_requirements=False,
        init_timeout=PATIENCE,
        finish_timeout=UPLOAD_PATIENCE,
        finish_timeout_raises=True,
    )


def parts(run_id: str = "*") -> list[Path]:
    """Return the files of what was logged offline, of one run or of all, oldest first."""
    return sorted(folder().glob(f"offline-run-*/run-{run_id}.wandb"))


def _swept(run_id: str) -> list[Path]:
    """Return the parts of a run, less those of steps that failed or were killed: they go."""
    kept = []
    for file in parts(run_id):
        if is_whole(file):
            kept.append(file)
        else:
            shutil.rmtree(file.parent, ignore_errors=True)
    return kept


def is_uploaded(file: Path) -> bool:
    """Return whether a part was uploaded, as wandb notes beside it."""
    return file.with_suffix(".wandb.synced").exists()


def is_whole(file: Path) -> bool:
    """Return whether a step that succeeded wrote all of this part."""
    try:
        *_, last = records(file)
    except (OSError, ValueError):
        return False
    return bool(last.HasField("exit") and last.exit.exit_code == 0)


def records(file: Path) -> Iterator[Any]:
    """Yield the records of a `.wandb` file, a log in LevelDB's format.

    Of wandb 0.30, only `wandb sync` can read it.

    Raises:
        ValueError: the file is damaged.
    """
    from wandb.proto.wandb_internal_pb2 import Record

    content, at, found = file.read_bytes(), _HEADER, b""
    while at < len(content):
        if (left := _BLOCK - at % _BLOCK) < _HEADER:
            at += left
            continue
        checksum, size, kind = struct.unpack("<IHB", content[at : at + _HEADER].ljust(_HEADER))
        at += _HEADER + size
        part = content[at - size : at]
        if crc32(bytes([kind]) + part) != checksum:
            raise ValueError(f"{file} is damaged.")
        found += part
        if kind in (_WHOLE, _LAST):
            yield Record.FromString(found)
            found = b""


def summary(file: Path) -> dict[str, Any]:
    """Return the summary of a run as a part of it has it, less what wandb adds."""
    found: dict[str, Any] = {}
    for record in records(file):
        for item in record.summary.update:
            *outer, name = item.nested_key or [item.key]
            inner = found
            for key in outer:
                inner = inner.setdefault(key, {})
            inner[name] = json.loads(item.value_json)
    return {name: value for name, value in found.items() if not name.startswith("_")}


def upload() -> str:
    """Upload what was logged offline, and return what was done, in a clause.

    Raises:
        BadInput, Unavailable: there is no API key, or W&B did not take all.
    """
    load_wandb()
    if not _has_key():
        raise BadInput(f"Nothing can be uploaded: {_no_key()}.")
    _check_server()
    waiting = [file for file in parts() if not is_uploaded(file) and is_whole(file)]
    if not waiting:
        return f"nothing in {folder()} waits for its upload"
    _send([[*run] for _, run in groupby(sorted(waiting, key=_STEM), _STEM)])
    if missing := [file for file in waiting if not is_uploaded(file)]:
        raise Unavailable(
            f"W&B did not take all of {counted(len({file.stem for file in missing}), 'run')}: "
            f"{folder() / 'logs'} says why; try again."
        )
    return f"uploaded {counted(len({file.stem for file in waiting}), 'run')} to {server()}"


def _send(runs: list[list[Path]]) -> None:
    """Upload the parts of each run, the oldest first, up to one of which a file was refused.

    The next upload begins with that one. Sent again, a part repeats the points of its charts.
    """
    while runs:
        _sync([first for first, *_ in runs])
        runs = [later for first, *later in runs if later and is_uploaded(first)]


def _sync(files: list[Path]) -> None:
    """Let wandb upload parts, one of each run, and remove its copies of what they logged.

    It marks a part as uploaded even where a file was refused.
    """
    logs = folder() / "logs"
    before = {*logs.glob("*.log")}
    # With `allow`, wandb adds each part to the run that the server has.
    variables = {**os.environ, "WANDB_RESUME": "allow", "WANDB_SILENT": "false"}
    command = [sys.executable, "-m", "wandb", "sync", *(str(file.parent) for file in files)]
    subprocess.run(command, check=False, env=variables)  # noqa: S603
    said = "".join(log.read_text(encoding="utf-8") for log in {*logs.glob("*.log")} - before)
    failures = [line for line in said.splitlines() if '"ERROR"' in line and "failed" in line]
    for file in files:
        if any(file.name in line for line in failures):
            file.with_suffix(".wandb.synced").unlink(missing_ok=True)
        if is_uploaded(file):
            _remove_staged(file)


def _remove_staged(file: Path) -> None:
    """Remove the copies of models and reports that a part names: `wandb clean` leaves them."""
    staging = folder().absolute() / "artifacts" / "staging"
    for record in records(file):
        for content in record.artifact.manifest.contents:
            if staging in (copy := Path(content.local_path)).parents:
                copy.unlink(missing_ok=True)
