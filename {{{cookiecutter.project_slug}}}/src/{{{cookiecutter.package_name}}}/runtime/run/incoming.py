"""Downloads of the source's files into a run directory, each file once.

The id of a run depends on the content of its files, so they are read before its directory is known.
Files of a remote source are kept in `<runs>/.incoming` until then. Of a file that did not change
since an earlier plan (by its ETag, say) the checksum is remembered; `ingest` downloads it, or
`move_to` where periods share it.
"""

import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from uuid import uuid4

from pydantic import BaseModel
from upath import UPath

from ..files import is_local, read_json, write, write_json
from ..source.reader import Source, sha256

FILES_AT_ONCE = 4

ABANDONED = 24 * 3600
"""Seconds after which a download belongs to a plan that was killed."""

REMEMBERED = 10_000
"""Checksums that are remembered: those that were used last."""


class Remembered(BaseModel):
    """Checksums of earlier plans, by address and version of the file, the last used last."""

    sha256: dict[str, str] = {}


class Incoming:
    """The downloads of one plan; those that no run directory took are removed at the end."""

    def __init__(self, source: Source, runs: UPath) -> None:
        """Take the source and the folder of runs; nothing is read yet."""
        self._source = source
        self._folder = runs / ".incoming"
        self._memory = self._folder / "checksums.json"
        self._downloads: dict[str, UPath] = {}
        self._remembered: dict[str, str] = {}
        self._shared: dict[str, UPath] = {}

    def __enter__(self) -> "Incoming":
        """Remove what plans that were killed left behind, and return itself."""
        for file in self._folder.glob("*"):
            with suppress(OSError):
                if file != self._memory and time.time() - file.stat().st_mtime > ABANDONED:
                    file.unlink()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove downloads that were not moved."""
        for file in self._downloads.values():
            with suppress(OSError):
                file.unlink(missing_ok=True)

    def checksums(self, periods: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return the SHA-256 of each file, by period and name."""
        files = {period: self._source.files(period) for period in periods}
        distinct = {name: file for named in files.values() for name, file in named.items()}
        uses = Counter(name for named in files.values() for name in named)
        self._shared = {name: file for name, file in distinct.items() if uses[name] > 1}
        before = self._recall()
        self._remembered = dict(before)
        with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
            found = pool.map(self._checksum, distinct, distinct.values())
            checksum = dict(zip(distinct, found, strict=True))
        if list(self._remembered) != list(before):
            newest = dict(list(self._remembered.items())[-REMEMBERED:])
            write_json(self._memory, Remembered(sha256=newest))
        return {period: {name: checksum[name] for name in named} for period, named in files.items()}

    def _recall(self) -> dict[str, str]:
        """Return the checksums of earlier plans; none where the file is missing or damaged."""
        try:
            return read_json(self._memory, Remembered).sha256
        except (OSError, ValueError):
            return {}

    def _checksum(self, name: str, file: UPath) -> str:
        """Return the checksum of a file; one of a remote source is kept, where it must be read."""
        if is_local(file):
            return sha256(self._source.read(file))
        version = self._source.version(file)
        if version in self._remembered:
            self._remembered[version] = self._remembered.pop(version)  # the last used is last
            return self._remembered[version]
        content = self._source.read(file)
        checksum = sha256(content)
        self._downloads[name] = self._folder / uuid4().hex
        write(self._downloads[name], content)
        if version is not None and version == self._source.version(file):  # not replaced meanwhile
            self._remembered[version] = checksum
        return checksum

    def move_to(self, raw: UPath) -> None:
        """Move the downloads into the folder of a run's raw files, unless they are there.

        Files that periods share are added: tasks that ingest them at once would each download them.
        """
        for name, file in list(self._downloads.items()):
            if not (raw / name).exists():
                (raw / name).parent.mkdir(parents=True, exist_ok=True)
                file.rename(raw / name)
                del self._downloads[name]
        for name, file in self._shared.items():
            if not is_local(file) and not (raw / name).exists():
                write(raw / name, self._source.read(file))
