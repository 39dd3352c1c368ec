"""The checksums of the source's parts, by which a run is known, each read once.

What is not on this machine, and is read for it, is put into the cache, where `ingest` finds it.
Of a file that did not change since an earlier plan (by its ETag, say) the checksum is remembered.
"""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from pydantic import BaseModel
from upath import UPath

from ..files import move, read_json, scratch, write_json
from ..source.kinds import Kind, Part
from . import cache

FILES_AT_ONCE = 4

REMEMBERED = 10_000
"""Checksums that are remembered: those that were used last."""


class Remembered(BaseModel):
    """Checksums of earlier plans, by address and version of the file, the last used last."""

    sha256: dict[str, str] = {}


def checksums(source: Kind, runs: UPath, periods: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the checksum of each part of periods, by period and name; for errors see `Kind`."""
    parts = {period: source.parts(period) for period in periods}
    distinct = {name: part for named in parts.values() for name, part in named.items()}
    cache.sweep(runs)
    memory = cache.folder_of(runs) / "checksums.json"
    before = _recall(memory)
    remembered = dict(before)
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        found = pool.map(partial(_checksum, runs, remembered), distinct.values())
        checksum = dict(zip(distinct, found, strict=True))
    if list(remembered) != list(before):
        write_json(memory, Remembered(sha256=dict(list(remembered.items())[-REMEMBERED:])))
    uses = Counter(name for named in parts.values() for name in named)
    for name in (name for name, count in uses.items() if count > 1):
        # Of many tasks that ingest it at once, each would download it.
        if not distinct[name].at_hand and not cache.file_of(runs, checksum[name]).exists():
            _keep(runs, distinct[name])
    return {period: {name: checksum[name] for name in named} for period, named in parts.items()}


def _recall(memory: UPath) -> dict[str, str]:
    """Return the checksums of earlier plans; none where the file is missing or damaged."""
    try:
        return read_json(memory, Remembered).sha256
    except (OSError, ValueError):
        return {}


def _checksum(runs: UPath, remembered: dict[str, str], part: Part) -> str:
    """Return the checksum of a part; what must be read elsewhere is kept."""
    if part.at_hand:
        return part.checksum()
    version = part.version()
    if version in remembered:
        remembered[version] = remembered.pop(version)  # the last used is last
        return remembered[version]
    checksum = _keep(runs, part)
    if version is not None and version == part.version():  # not replaced meanwhile
        remembered[version] = checksum
    return checksum


def _keep(runs: UPath, part: Part) -> str:
    """Put the content of a part into the cache, and return its checksum."""
    with scratch(cache.file_of(runs, "part")) as written:
        checksum = part.save(written)
        move(written, cache.file_of(runs, checksum))
    return checksum
