"""trackio as the tests have it: a project's own folder, read with trackio's storage."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from {{{ cookiecutter.package_name }}}.runtime.registry.trackio_client import (
    NAME,
    VARIABLE,
    load_trackio,
)

from .logged import Logged

VERSIONS = ("", "0", "1", "2")
"""What the registry calls the first version, the second and so on."""
HAS_PAGE = True
"""Whether a run of the tests has a page."""


def point(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let runs be logged to the folder of a project, which is the current one."""
    patch.setenv(VARIABLE, ".trackio")  # trackio reads it once


def prepare() -> None:
    """Create nothing: the first run does."""
    load_trackio()


def break_down(patch: pytest.MonkeyPatch) -> str:
    """Let neither tracker nor registry answer; return what an error has to name."""
    Path("a-file").write_text("")
    patch.setenv(VARIABLE, "a-file")
    return "a-file"


def runs(model_name: str) -> list[str]:
    """Return the ids of all runs for a model."""
    found = load_trackio().Api().runs(NAME)
    return [run.name for run in found if (run.config or {}).get("model") == model_name]


def logged(tracker_id: str) -> Logged:
    """Return what a run logged."""
    from trackio.sqlite_storage import SQLiteStorage

    (config,) = (run.config for run in load_trackio().Api().runs(NAME) if run.name == tracker_id)
    seen: dict[str, Any] = {}
    for row in SQLiteStorage.get_logs(NAME, tracker_id):
        seen |= row
    files = [*pages(seen)]
    return Logged(
        params=config,
        tags=config,
        metrics={name: value for name, value in seen.items() if isinstance(value, float)},
        curves={name.removeprefix("curves/") for name in seen if name.startswith("curves/")},
        report=files[-1].read_text(encoding="utf-8") if files else "",
    )


def pages(seen: dict[str, Any]) -> Iterator[Path]:
    """Yield the file of the report, if there is one."""
    if "report" in seen:
        yield Path(".trackio/media") / seen["report"]["file_path"]
