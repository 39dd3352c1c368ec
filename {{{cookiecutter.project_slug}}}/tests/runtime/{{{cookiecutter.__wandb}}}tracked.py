"""W&B as the tests have it: offline, in a project's own folder, read from wandb's own files."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from {{{ cookiecutter.package_name }}}.runtime.registry.mlflow_client import mlflow_client
from {{{ cookiecutter.package_name }}}.runtime.registry.wandb_client import (
    parts,
    records,
    summary,
)

from .logged import Logged

os.environ["NETRC"] = os.devnull  # no test is online with the key of who runs it
for name in [name for name in os.environ if name.startswith("WANDB_")]:
    del os.environ[name]

VERSIONS = ("", "1", "2", "3")
"""What the registry calls the first version, the second and so on."""
HAS_PAGE = False
"""Whether a run of the tests has a page."""
KEY = "0" * 40
"""An API key in the form of W&B's."""


def point(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let runs be logged to the folder of a project, and models to its database."""
    patch.setenv("WANDB_DIR", str(folder))
    patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")


def prepare() -> None:
    """Create the database of the registry."""
    mlflow_client()


def break_down(patch: pytest.MonkeyPatch) -> str:
    """Let neither tracker nor registry answer; return what an error has to name."""
    for name in ("WANDB_BASE_URL", "MLFLOW_TRACKING_URI"):
        patch.setenv(name, "http://ada:hunter2@127.0.0.1:9")
    patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    patch.setenv("WANDB_API_KEY", KEY)
    return "127.0.0.1"


def written(tracker_id: str = "*") -> Iterator[Any]:
    """Yield the records of a run, or of all, in the order in which they were written."""
    for file in parts(tracker_id):
        yield from records(file)


def runs(model_name: str) -> list[str]:
    """Return the ids of all runs for a model."""
    found = {each.run.run_id for each in written() if each.run.run_group == model_name}
    return sorted(found)


def logged(tracker_id: str) -> Logged:
    """Return what a run logged."""
    config: dict[str, str] = {}
    report = ""
    for each in written(tracker_id):
        for item in (*each.run.config.update, *each.config.update):
            config[item.key] = str(json.loads(item.value_json))
        if each.artifact.name == "report":
            (content,) = each.artifact.manifest.contents
            report = Path(content.local_path).read_text(encoding="utf-8")
    seen = summary(parts(tracker_id)[-1])
    tables = [name for name in seen if name.startswith("curves/")]
    return Logged(
        params=config,
        tags=config | ({"status": seen["status"]} if "status" in seen else {}),
        metrics={name: value for name, value in seen.items() if isinstance(value, float)},
        curves={name.removeprefix("curves/").removesuffix("_table") for name in tables},
        report=report,
    )
