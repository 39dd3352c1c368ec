"""What the workers of a test session share: each thing is made once, by whoever needs it first."""

from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def once(folder: Path, make: Callable[[], object]) -> None:
    """Make a folder unless a worker has; others wait. A failure is not repeated by each test."""
    made, failed = (folder.with_name(f"{folder.name}.{end}") for end in ("made", "failed"))
    with FileLock(f"{folder}.lock"):
        if failed.exists():
            pytest.fail(failed.read_text(encoding="utf-8"))
        if made.exists():
            return
        folder.mkdir()
        try:
            make()
        except BaseException as error:
            failed.write_text(f"{folder.name} could not be made: {error}", encoding="utf-8")
            raise
        made.touch()
