"""The model registry: which versions there are, and which of them is the champion.

The champion is the version with the alias `champion`; `previous` is the one before it. `store` is
the registry of the tool; what is here is the same in all of them.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from ..errors import BadInput
from ..results import Champion
from . import store
from .pickling import check_python
from .protocols import Version

Rows = TypeVar("Rows")
Scores = TypeVar("Scores")


def champion(model_name: str) -> Champion | None:
    """Return the champion, or None before the first release."""
    version = store.aliased(model_name, "champion")
    return None if version is None else _described(version)


def runs_in_use(model_name: str) -> set[str]:
    """Return the ids of the runs that made the champion, and the version that a rollback takes."""
    versions = [store.aliased(model_name, alias) for alias in ("champion", "previous")]
    return {version.tags["run_id"] for version in versions if version is not None}


def rolled_back(model_name: str) -> set[str]:
    """Return the ids of the runs whose version was rolled back."""
    versions = store.versions(model_name)
    return {version.tags["run_id"] for version in versions if version.rolled_back}


def registered_at(model_name: str, version: str) -> datetime:
    """Return when a version was registered, in UTC."""
    return store.find(model_name, version).registered


def register(model_uri: str, model_name: str, tags: dict[str, str]) -> Champion:
    """Return the version of a logged model, registered on first use with `tags`."""
    for registered in store.versions(model_name):
        if registered.tags.get("run_id") == tags["run_id"]:
            return _described(registered)
    return _described(store.register(model_uri, model_name, tags))


{% if cookiecutter.versioning == "dvc" %}
def data_versions() -> dict[str, str]:
    """Return the data that the registered versions of all models were trained on, by run id."""
    tagged = [registered.tags for registered in store.versions()]
    return {
        tags["run_id"]: tags["data_version"]
        for tags in tagged
        if "run_id" in tags and "data_version" in tags
    }


{% endif %}
def load_model(model_name: str, version: str) -> Any:
    """Return a registered version, loaded through the registry; for errors see `check_python`."""
    made = store.find(model_name, version).tags["python"]
    what = f"Version {version} of {model_name}"
    check_python(made, what, "start over with another model_name in params.yaml")
    return store.load_model(model_name, version)


def score(
    model_name: str, version: str, predict: Callable[[Any, Rows], Scores], rows: Rows
) -> Scores:
    """Return what a registered version predicts for rows: `predict` takes the model and the rows.

    Raises:
        BadInput: the version cannot score these rows, or another Python made it.
    """
    model = load_model(model_name, version)
    try:
        return predict(model, rows)
    except MemoryError:
        raise
    except Exception as error:
        raise BadInput(
            f"Version {version} of {model_name} cannot score these rows "
            f"({' '.join(str(error).split())[:200]}): give `join` in features.py back what it "
            "reads, or start over with another model_name in params.yaml."
        ) from error


def promote(model_name: str, version: str) -> None:
    """Make `version` the champion, and the champion before it the previous one."""
    before = store.aliased(model_name, "champion")
    if before is not None and before.version != version:
        store.set_alias(model_name, "previous", before.version)
    store.set_alias(model_name, "champion", version)


def rollback(model_name: str) -> tuple[Champion, Champion]:
    """Swap the champion and the previous version; return the champion before and after.

    The former champion is marked, so that its run, when resumed, does not release it again.

    Raises:
        BadInput: there is no previous version.
    """
    before, after = (store.aliased(model_name, alias) for alias in ("champion", "previous"))
    if before is None or after is None or before.version == after.version:
        raise BadInput(
            f"{model_name} cannot be rolled back: no version was champion before this one."
        )
    store.mark(model_name, before.version, rolled_back=True)
    promote(model_name, after.version)
    if after.rolled_back:
        store.mark(model_name, after.version, rolled_back=False)
    return _described(before), _described(after)


def was_rolled_back(model_name: str, version: str) -> bool:
    """Return whether this version was rolled back."""
    return store.find(model_name, version).rolled_back


def _described(version: Version) -> Champion:
    metrics = {
        name.removeprefix("metric."): float(value)
        for name, value in version.tags.items()
        if name.startswith("metric.")
    }
    return Champion(
        version=version.version,
        run_id=version.tags["run_id"],
        period=version.tags["period"],
        metrics=metrics,
    )
