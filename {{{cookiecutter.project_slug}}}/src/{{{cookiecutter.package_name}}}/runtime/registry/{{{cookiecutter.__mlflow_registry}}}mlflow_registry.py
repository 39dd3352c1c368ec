"""Versions of models in MLflow's registry.

`MLFLOW_TRACKING_URI` in the environment names a server; without it, a SQLite file in the project.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Any

from . import mlflow_client as client
from .mlflow_client import load_mlflow, mlflow_client
from .pickling import with_own_code
from .protocols import Version

if TYPE_CHECKING:
    import pandas as pd

NAME = "MLflow"
VARIABLE = "MLFLOW_TRACKING_URI"

address, check, exists = client.address, client.answers, client.exists

ROLLED_BACK = "rolled_back"

_NEEDED = ("cloudpickle", "numpy", "pandas", "polars", "pyarrow", "scikit-learn")
"""What a model server installs."""


def log_model(model: Any, sample: "pd.DataFrame", predictions: Any, method: str) -> str:
    """Log a fitted model, to the open run if there is one; inputs and answers are its signature.

    The first inputs are its example.
    """
    mlflow = load_mlflow()
    with with_own_code():
        logged = mlflow.sklearn.log_model(
            model,
            name="model",
            serialization_format="cloudpickle",
            signature=mlflow.models.infer_signature(sample, predictions),
            input_example=sample.head(5),
            pyfunc_predict_fn=method,
            pip_requirements=[f"{package}=={installed(package)}" for package in _NEEDED],
        )
    return str(logged.model_uri)


def find(model_name: str, version: str) -> Version:
    """Return a registered version."""
    return _described(mlflow_client().get_model_version(model_name, version))


def aliased(model_name: str, alias: str) -> Version | None:
    """Return the version with an alias, None where no version has it."""
    try:
        return _described(mlflow_client().get_model_version_by_alias(model_name, alias))
    except load_mlflow().exceptions.MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None  # no such model, or no such alias yet
        raise


def versions(model_name: str | None = None) -> Iterator[Version]:
    """Yield all registered versions, of one model or of all."""
    of_model = f"name = '{model_name}'" if model_name else None
    page = None
    while page != "":
        found = mlflow_client().search_model_versions(of_model, page_token=page)
        yield from map(_described, found)
        page = found.token or ""


def register(model_uri: str, model_name: str, tags: Mapping[str, str]) -> Version:
    """Return a new version, of a logged model."""
    return _described(load_mlflow().register_model(model_uri, model_name, tags=dict(tags)))


def load_model(model_name: str, version: str) -> Any:
    """Return a registered version."""
    return load_mlflow().sklearn.load_model(f"models:/{model_name}/{version}")


def set_alias(model_name: str, alias: str, version: str) -> None:
    """Give an alias to a version, and take it from the version that had it."""
    mlflow_client().set_registered_model_alias(model_name, alias, version)


def mark(model_name: str, version: str, *, rolled_back: bool) -> None:
    """Set whether a version was rolled back, by a tag."""
    if rolled_back:
        mlflow_client().set_model_version_tag(model_name, version, ROLLED_BACK, "true")
    else:
        mlflow_client().delete_model_version_tag(model_name, version, ROLLED_BACK)


def _described(version: Any) -> Version:
    return Version(
        version=str(version.version),  # MLflow returns a number
        registered=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
        tags=version.tags,
        rolled_back=ROLLED_BACK in version.tags,
    )
