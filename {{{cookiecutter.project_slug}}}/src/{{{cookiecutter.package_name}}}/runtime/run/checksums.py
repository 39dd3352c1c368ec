"""The checksums of the source's files, by which a run is known, each file read once.

Files of a remote source that are read for it are put into the cache, where `ingest` finds them.
Of a file that did not change since an earlier plan (by its ETag, say) the checksum is remembered.
"""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from pydantic import BaseModel
from upath import UPath

from ..files import is_local, read_json, write, write_json
from ..source.reader import Source, sha256
from . import cache

FILES_AT_ONCE = 4

REMEMBERED = 10_000
"""Checksums that are remembered: those that were used last."""


class Remembered(BaseModel):
    """Checksums of earlier plans, by address and version of the file, the last used last."""

    sha256: dict[str, str] = {}


def checksums(source: Source, runs: UPath, periods: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the SHA-256 of each file of periods, by period and name; for errors see `Source`."""
    files = {period: source.files(period) for period in periods}
    distinct = {name: file for named in files.values() for name, file in named.items()}
    cache.sweep(runs)
    memory = cache.folder_of(runs) / "checksums.json"
    before = _recall(memory)
    remembered = dict(before)
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        found = pool.map(partial(_checksum, source, runs, remembered), distinct.values())
        checksum = dict(zip(distinct, found, strict=True))
    if list(remembered) != list(before):
        write_json(memory, Remembered(sha256=dict(list(remembered.items())[-REMEMBERED:])))
    uses = Counter(name for named in files.values() for name in named)
    for name in (name for name, count in uses.items() if count > 1):
        # Of many tasks that ingest it at once, each would download it.
        _download(source, runs, distinct[name], checksum[name])
    return {period: {name: checksum[name] for name in named} for period, named in files.items()}


def _recall(memory: UPath) -> dict[str, str]:
    """Return the checksums of earlier plans; none where the file is missing or damaged."""
    try:
        return read_json(memory, Remembered).sha256
    except (OSError, ValueError):
        return {}


def _checksum(source: Source, runs: UPath, remembered: dict[str, str], file: UPath) -> str:
    """Return the checksum of a file; one of a remote source that must be read is kept."""
    if is_local(file):
        return sha256(source.read(file))
    version = source.version(file)
    if version in remembered:
        remembered[version] = remembered.pop(version)  # the last used is last
        return remembered[version]
    content = source.read(file)
    checksum = sha256(content)
    write(cache.file_of(runs, checksum), content)
    if version is not None and version == source.version(file):  # not replaced meanwhile
        remembered[version] = checksum
    return checksum


def _download(source: Source, runs: UPath, file: UPath, checksum: str) -> None:
    """Put a file of a remote source into the cache, unless it is there."""
    if not is_local(file) and not cache.file_of(runs, checksum).exists():
        content = source.read(file)
        write(cache.file_of(runs, sha256(content)), content)
