"""Versions of models in trackio's registry `models`, a collection for each model.

What was rolled back is also linked in the registry `rolled-back`.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from . import trackio_client
from .pickling import load_model as unpickle
from .protocols import Version
from .trackio_client import NAME as PROJECT
from .trackio_client import folder, load_trackio, opened

NAME = "trackio"
VARIABLE = trackio_client.VARIABLE

check = trackio_client.check

MODELS, ROLLED_BACK = "models", "rolled-back"


def address() -> str:
    """Return where the registry is."""
    return str(folder())


def exists() -> bool:
    """Return whether a version was ever registered."""
    return _registry(MODELS) is not None


def find(model_name: str, version: str) -> Version:
    """Return a registered version."""
    return next(found for found in versions(model_name) if found.version == version)


def aliased(model_name: str, alias: str) -> Version | None:
    """Return the version with an alias, None where no version has it."""
    links = (link for link in _links(MODELS, model_name) if alias in link["aliases"])
    return next((_described(link, _rolled_back(model_name)) for link in links), None)


def versions(model_name: str | None = None) -> Iterator[Version]:
    """Yield all registered versions, of one model or of all."""
    registry = _registry(MODELS)
    names = [each.name for each in registry.collections()] if registry else []
    for name in names if model_name is None else [model_name]:
        rolled_back = _rolled_back(name)
        for link in _links(MODELS, name):
            yield _described(link, rolled_back)


def register(model_uri: str, model_name: str, tags: Mapping[str, str]) -> Version:
    """Return a new version: the files of a logged model, with `tags` as its metadata."""
    trackio = load_trackio()
    if _registry(MODELS) is None:
        trackio.Api().create_registry(MODELS)
    artifact = trackio.Artifact(model_name, "model", metadata=dict(tags))
    with opened(tags["run_id"], resume="must") as run, TemporaryDirectory() as made:
        run.use_artifact(model_uri.rpartition("/")[2]).download(made)
        artifact.add_dir(made)
        # Equal files would be the same version, whatever its metadata.
        (Path(made) / "run_id").write_text(tags["run_id"], encoding="utf-8")
        artifact.add_file(Path(made) / "run_id")
        linked = run.link_artifact(artifact, f"registry-{MODELS}/{model_name}")
    return find(model_name, linked.version.removeprefix("v"))


def load_model(model_name: str, version: str) -> Any:
    """Return a registered version.

    Raises:
        ValueError: its file is damaged.
    """
    from trackio import cas

    source = _source(_link(model_name, version))
    (entry,) = (entry for entry in source["manifest"] if entry["path"] == "model.pkl")
    file = cas.blob_path(PROJECT, entry["digest"])
    if cas.hash_file(file)[0] != entry["digest"]:
        raise ValueError(f"{file}, version {version} of {model_name}, is damaged.")
    return unpickle(file.read_bytes())


def set_alias(model_name: str, alias: str, version: str) -> None:
    """Give an alias to a version, and take it from the version that had it."""
    _add_link(MODELS, model_name, _link(model_name, version), [alias])


def mark(model_name: str, version: str, *, rolled_back: bool) -> None:
    """Set whether a version was rolled back."""
    ours = _link(model_name, version)
    if rolled_back:
        if _registry(ROLLED_BACK) is None:
            load_trackio().Api().create_registry(ROLLED_BACK)
        _add_link(ROLLED_BACK, model_name, ours, [])
        return
    from trackio.registry_storage import RegistryStorage

    for link in _links(ROLLED_BACK, model_name):
        if _linked(link) == _linked(ours):
            RegistryStorage.unlink(ROLLED_BACK, model_name, link["collection_version"])


def _registry(name: str) -> Any | None:
    """Return a registry of trackio, None where there is none yet."""
    api = load_trackio().Api()
    try:
        return api.registry(name)
    except ValueError:
        return None


def _links(registry: str, model_name: str) -> list[dict[str, Any]]:
    """Return the links of a model in a registry, newest first."""
    found = _registry(registry)
    collection = found.collection(model_name) if found else None
    return list(collection.links) if collection else []


def _link(model_name: str, version: str) -> dict[str, Any]:
    links = _links(MODELS, model_name)
    return next(link for link in links if str(link["collection_version"]) == version)


# trackio 0.40 fetches an artifact for a run alone, which its pages would show as one that used it.
# Status, rollbacks and predictions are no runs, so these two call the storage behind its API.


def _source(link: Mapping[str, Any]) -> dict[str, Any]:
    """Return the artifact that a link points at: its files, and its metadata."""
    from trackio.sqlite_storage import SQLiteStorage

    project, name, version = _linked(link)
    found: dict[str, Any] = SQLiteStorage.get_artifact_manifest(project, name, f"v{version}")
    return found


def _add_link(registry: str, model_name: str, link: Mapping[str, Any], aliases: list[str]) -> None:
    """Link what a link points at, with aliases: what is linked already only gets those."""
    from trackio.registry_storage import RegistryStorage

    RegistryStorage.link_artifact_version(registry, model_name, "model", *_linked(link), aliases)


def _linked(link: Mapping[str, Any]) -> tuple[str, str, int]:
    return link["source_project"], link["source_artifact"], link["source_version"]


def _rolled_back(model_name: str) -> set[tuple[str, str, int]]:
    """Return what was rolled back of a model, as `_linked` has it."""
    return {_linked(link) for link in _links(ROLLED_BACK, model_name)}


def _described(link: Mapping[str, Any], rolled_back: Collection[tuple[str, str, int]]) -> Version:
    registered = datetime.fromisoformat(link["created_at"])
    return Version(
        version=str(link["collection_version"]),
        registered=registered.astimezone(UTC),
        tags=_source(link)["metadata"],
        rolled_back=_linked(link) in rolled_back,
    )
