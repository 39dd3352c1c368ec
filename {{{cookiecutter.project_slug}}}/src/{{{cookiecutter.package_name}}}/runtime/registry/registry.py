"""The model registry: which versions there are, and which of them is the champion.

The champion is the version with the alias `champion`; `previous` is the one before it.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from ..errors import BadInput
from ..results import Champion
from .client import load_mlflow, mlflow_client
from .pickling import check_python

ROLLED_BACK = "rolled_back"

Rows = TypeVar("Rows")
Scores = TypeVar("Scores")


def champion(model_name: str) -> Champion | None:
    """Return the champion, or None before the first release."""
    version = _aliased(model_name, "champion")
    return None if version is None else _described(version)


def runs_in_use(model_name: str) -> set[str]:
    """Return the ids of the runs that made the champion, and the version that a rollback takes."""
    versions = [_aliased(model_name, alias) for alias in ("champion", "previous")]
    return {version.tags["run_id"] for version in versions if version is not None}


def registered_at(model_name: str, version: str) -> datetime:
    """Return when a version was registered, in UTC."""
    milliseconds = mlflow_client().get_model_version(model_name, version).creation_timestamp
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def register(model_uri: str, model_name: str, tags: dict[str, str]) -> Champion:
    """Return the version of a logged model, registered on first use with `tags`."""
    of_run = f"name = '{model_name}' and tags.run_id = '{tags['run_id']}'"
    for registered in mlflow_client().search_model_versions(of_run):
        return _described(registered)
    return _described(load_mlflow().register_model(model_uri, model_name, tags=tags))


{% if cookiecutter.versioning == "dvc" %}
def data_versions() -> dict[str, str]:
    """Return the data that the registered versions of all models were trained on, by run id."""
    found: dict[str, str] = {}
    page = None
    while page != "":
        versions = mlflow_client().search_model_versions(page_token=page)
        for tags in (registered.tags for registered in versions):
            if "run_id" in tags and "data_version" in tags:
                found[tags["run_id"]] = tags["data_version"]
        page = versions.token or ""
    return found


{% endif %}
def load_model(model_name: str, version: str) -> Any:
    """Return a registered version, loaded through the registry; for errors see `check_python`."""
    uri = f"models:/{model_name}/{version}"
    made = load_mlflow().models.get_model_info(uri).flavors["python_function"]["python_version"]
    what = f"Version {version} of {model_name}"
    check_python(made, what, "start over with another model_name in params.yaml")
    return load_mlflow().sklearn.load_model(uri)


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
    before = _aliased(model_name, "champion")
    if before is not None and str(before.version) != version:  # MLflow returns a number
        mlflow_client().set_registered_model_alias(model_name, "previous", before.version)
    mlflow_client().set_registered_model_alias(model_name, "champion", version)


def rollback(model_name: str) -> tuple[Champion, Champion]:
    """Swap the champion and the previous version; return the champion before and after.

    The former champion is marked, so that its run, when resumed, does not release it again.

    Raises:
        BadInput: there is no previous version.
    """
    before, after = _aliased(model_name, "champion"), _aliased(model_name, "previous")
    if before is None or after is None or before.version == after.version:
        raise BadInput(
            f"{model_name} cannot be rolled back: no version was champion before this one."
        )
    mlflow_client().set_model_version_tag(model_name, before.version, ROLLED_BACK, "true")
    promote(model_name, after.version)
    if ROLLED_BACK in after.tags:
        mlflow_client().delete_model_version_tag(model_name, after.version, ROLLED_BACK)
    return _described(before), _described(after)


def was_rolled_back(model_name: str, version: str) -> bool:
    """Return whether this version was rolled back."""
    return ROLLED_BACK in mlflow_client().get_model_version(model_name, version).tags


def _aliased(model_name: str, alias: str) -> Any | None:
    try:
        return mlflow_client().get_model_version_by_alias(model_name, alias)
    except load_mlflow().exceptions.MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None  # no such model, or no such alias yet
        raise


def _described(version: Any) -> Champion:
    metrics = {
        name.removeprefix("metric."): float(value)
        for name, value in version.tags.items()
        if name.startswith("metric.")
    }
    return Champion(
        version=str(version.version),
        run_id=version.tags["run_id"],
        period=version.tags["period"],
        metrics=metrics,
    )
