"""Versions of models in the repository of runs and models, as GTO has them: as tags.

`<model>@v0.0.1` is a version: it names the commit of its run, and its message has what `register`
was given, as JSON. `<model>#champion#2` gives that version an alias. The numbers count such tags of
a model, and the last one holds. What was rolled back is in the stage `rolled-back`.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from random import uniform
from typing import Any, TypeVar

from . import git_client
from .dvclive_tracker import MODEL
from .git_client import Overtaken, Scratch, scratch
from .pickling import load_model as unpickle
from .protocols import Version

Made = TypeVar("Made")

NAME = "GTO"
VARIABLE = git_client.VARIABLE

address, check, exists = git_client.address, git_client.answers, git_client.exists

ROLLED_BACK = "rolled-back"

TRIES = 5
"""How often a tag is pushed, while others push one of the same name."""


@dataclass(frozen=True)
class _Tag:
    """A tag of GTO's."""

    model: str
    version: str | None
    stage: str | None
    number: int
    """Of those with a stage."""
    cancels: bool
    """Whether it takes the version or the stage away."""
    commit: str
    created: datetime
    message: str


@dataclass(frozen=True)
class _Tags:
    """The tags of the repository, in the order in which they hold."""

    repository: Scratch
    found: list[_Tag]

    def of(self, model_name: str) -> list[_Tag]:
        """Return the tags of a model."""
        return [tag for tag in self.found if tag.model == model_name]

    def in_stage(self, model_name: str, stage: str) -> list[str]:
        """Return the commits that are in a stage, the last one last."""
        commits: list[str] = []
        for tag in self.of(model_name):
            if tag.stage == stage:
                commits = [commit for commit in commits if commit != tag.commit]
                commits += [] if tag.cancels else [tag.commit]
        return commits

    def versions(self, model_name: str) -> dict[str, Version]:
        """Return the versions of a model that `register` made, by their commits."""
        cancelled = {tag.version for tag in self.of(model_name) if tag.cancels}
        rolled_back = self.in_stage(model_name, ROLLED_BACK)
        return {
            tag.commit: Version(
                version=tag.version,
                registered=tag.created,
                tags=json.loads(tag.message),
                rolled_back=tag.commit in rolled_back,
            )
            for tag in self.of(model_name)
            if tag.version and tag.version not in cancelled and tag.message.startswith("{")
        }

    def push(self, name: str, commit: str, message: str) -> None:
        """Create a tag, and push it. It is younger than all others: GTO goes by their times.

        Raises:
            Overtaken: the repository has another tag of that name now.
            Unavailable: the repository refuses it.
        """
        now = max([time.time(), *(tag.created.timestamp() + 1 for tag in self.found)])
        self.repository.git(
            *("tag", "--annotate", "--no-sign", "--message", message, name, commit),
            GIT_COMMITTER_DATE=f"@{int(now)} +0000",
        )
        self.repository.push(f"refs/tags/{name}")


def find(model_name: str, version: str) -> Version:
    """Return a registered version."""
    return next(found for found in versions(model_name) if found.version == version)


def aliased(model_name: str, alias: str) -> Version | None:
    """Return the version with an alias, None where no version has it."""
    with _fetched() as tags:
        known = tags.versions(model_name)
        named = [known[commit] for commit in tags.in_stage(model_name, alias) if commit in known]
    return named[-1] if named else None


def versions(model_name: str | None = None) -> Iterator[Version]:
    """Yield all registered versions, of one model or of all."""
    with _fetched() as tags:
        names = sorted({tag.model for tag in tags.found}) if model_name is None else [model_name]
        found = [version for name in names for version in tags.versions(name).values()]
    yield from found


def register(model_uri: str, model_name: str, tags: Mapping[str, str]) -> Version:
    """Return a new version: a tag of the commit of a run, with `tags` as its message.

    Where a try was killed, its push may have ended only now: then it is the version of that.
    """
    from gto.constants import Action
    from gto.tag import name_tag
    from gto.versions import SemVer

    def tag(known: _Tags) -> str:
        for made in known.versions(model_name).values():
            if made.tags.get("run_id") == tags["run_id"]:
                return made.version
        before = [SemVer(tag.version) for tag in known.of(model_name) if tag.version]
        last = max(before, default=None)
        version = last.bump(bump_patch=True) if last else SemVer.get_minimal()
        known.repository.fetch(model_uri)
        name = name_tag(Action.REGISTER, model_name, version.version, simple=True)
        known.push(name, "FETCH_HEAD", json.dumps(dict(tags)))
        return str(version.version)

    return find(model_name, _push(tag))


def load_model(model_name: str, version: str) -> Any:
    """Return a registered version; git refuses to fetch a damaged one."""
    with scratch() as repository:
        repository.fetch(f"refs/tags/{model_name}@{version}", "--depth=1")
        return unpickle(repository.read(f"FETCH_HEAD:{MODEL}"))


def set_alias(model_name: str, alias: str, version: str) -> None:
    """Give an alias to a version, and take it from the version that had it."""
    _assign(model_name, alias, version)


def mark(model_name: str, version: str, *, rolled_back: bool) -> None:
    """Set whether a version was rolled back, by a stage."""
    _assign(model_name, ROLLED_BACK, version, cancel=not rolled_back)


def _assign(model_name: str, stage: str, version: str, *, cancel: bool = False) -> None:
    """Put a version into a stage, or take it out."""
    from gto.constants import Action
    from gto.tag import name_tag

    action = Action.UNASSIGN if cancel else Action.ASSIGN

    def tag(known: _Tags) -> None:
        found = known.versions(model_name).items()
        commit = next(commit for commit, each in found if each.version == version)
        number = max((tag.number for tag in known.of(model_name)), default=0) + 1
        name = f"{name_tag(action, model_name, stage=stage, simple=True)}#{number}"
        known.push(name, commit, f"{action.value} {stage}: {version}")

    _push(tag)


def _push(tag: Callable[[_Tags], Made]) -> Made:
    """Make a tag beside those that are there, and again if another process pushed one first."""
    for _ in range(TRIES - 1):
        with suppress(Overtaken), _fetched() as known:
            return tag(known)
        time.sleep(uniform(0, 1))  # noqa: S311 - nothing secret
    with _fetched() as known:
        return tag(known)


@contextmanager
def _fetched() -> Iterator[_Tags]:
    """Fetch the tags, and the commits that they name without their files."""
    shown = "%00".join(
        f"%({field})"
        for field in ("refname:strip=2", "*objectname", "creatordate:unix", "contents:subject")
    )
    with scratch() as repository:
        if exists():
            repository.fetch("+refs/tags/*:refs/tags/*", "--filter=tree:0")
        lines = repository.git("for-each-ref", f"--format={shown}", "refs/tags").splitlines()
        found = [tag for line in lines if (tag := _parsed(*line.split("\0")))]
        yield _Tags(repository, sorted(found, key=lambda tag: tag.number))


def _parsed(name: str, commit: str, created: str, message: str) -> _Tag | None:
    """Return a tag of GTO's, None for another one."""
    from gto.constants import Action
    from gto.tag import parse_name

    parsed = parse_name(name, raise_on_fail=False)
    if not parsed or not commit:
        return None
    return _Tag(
        model=parsed["name"],
        version=parsed.get("version"),
        stage=parsed.get("stage"),
        number=parsed.get("counter", 0),
        cancels=parsed.get("action") in (Action.DEREGISTER, Action.UNASSIGN),
        commit=commit,
        created=datetime.fromtimestamp(int(created), UTC),
        message=message,
    )
