"""A project on GitHub: its repository, its settings, and its events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.shell import Shell

NAME = "me/my-pipeline"


@dataclass(frozen=True)
class Event:
    """An event that starts a workflow."""

    name: str
    sha: str
    ref: str
    payload: dict[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """Secrets and variables, of the repository or of one of its environments."""

    secrets: Mapping[str, str] = field(default_factory=dict)
    vars: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Hub:
    """A repository that can be cloned, and pushed to."""

    shell: Shell
    folder: Path
    settings: Settings = field(default_factory=Settings)
    environments: Mapping[str, Settings] = field(default_factory=dict)
    pulls: dict[str, dict[str, str]] = field(default_factory=dict)  # opened, by their branches

    @classmethod
    def of(cls, shell: Shell, project: Path, folder: Path, **settings: Any) -> "Hub":
        """Push what is committed in a project to a new repository."""
        shell("git", "clone", "-q", "--bare", project, folder)
        for name in ("allowAnySHA1InWant", "allowFilter"):
            shell("git", "config", f"uploadpack.{name}", "true", cwd=folder)
        return cls(shell, folder, **settings)

    def git(self, *words: str) -> str:
        return self.shell("git", *words, cwd=self.folder).stdout.strip()

    def text(self, sha: str, file: str) -> str:
        """Return a file of a commit."""
        return self.shell("git", "show", f"{sha}:{file}", cwd=self.folder).stdout

    def commit(self, branch: str, files: Mapping[str, str]) -> None:
        """Write files in a commit on `main`, and make it the newest of a branch."""
        with TemporaryDirectory() as made:
            work = Path(made)
            self.shell("git", "clone", "-q", self.folder, work)
            self.shell("git", "checkout", "-q", "-B", branch, cwd=work)
            for name, text in files.items():
                (work / name).write_text(text, encoding="utf-8")
            self.shell("git", "commit", "-qam", f"Change {', '.join(files)}", cwd=work)
            self.shell("git", "push", "-qf", "origin", branch, cwd=work)

    def push(self, branch: str = "main") -> Event:
        """Return the event of the newest commit of a branch."""
        return Event("push", self.git("rev-parse", branch), f"refs/heads/{branch}")

    def schedule(self) -> Event:
        return Event("schedule", self.git("rev-parse", "main"), "refs/heads/main")

    def dispatch(self, **inputs: Any) -> Event:
        """Return the event of the button "Run workflow"."""
        sha = self.git("rev-parse", "main")
        return Event("workflow_dispatch", sha, "refs/heads/main", {}, inputs)

    def pull_request(self, branch: str, base: str = "main") -> Event:
        """Return the event of a pull request, whose commit is the merge that GitHub tries out."""
        ends = {name: self.git("rev-parse", name) for name in (base, branch)}
        tree = self.git("merge-tree", "--write-tree", base, branch)
        parents = [word for sha in ends.values() for word in ("-p", sha)]
        merge = self.git("commit-tree", tree, *parents, "-m", f"Merge {branch} into {base}")
        self.git("update-ref", "refs/pull/1/merge", merge)
        sides = {
            side: {"ref": name, "sha": ends[name]}
            for side, name in (("base", base), ("head", branch))
        }
        asked = {"number": 1, **sides}
        payload = {"action": "opened", "number": 1, "pull_request": asked}
        return Event("pull_request", merge, "refs/pull/1/merge", payload)

    def context(self, event: Event) -> dict[str, Any]:
        """Return the context `github` of an event."""
        _, kind, name = event.ref.split("/", 2)
        asked = event.payload.get("pull_request")
        return {
            "event_name": event.name,
            "event": {"repository": {"full_name": NAME, "default_branch": "main"}}
            | event.payload
            | ({"inputs": dict(event.inputs)} if event.name == "workflow_dispatch" else {}),
            "sha": event.sha,
            "ref": event.ref,
            "ref_name": name,
            "ref_type": "tag" if kind == "tags" else "branch",
            "base_ref": asked["base"]["ref"] if asked else "",
            "head_ref": asked["head"]["ref"] if asked else "",
            "repository": NAME,
            "repository_owner": NAME.partition("/")[0],
            "actor": "ada",
            "triggering_actor": "ada",
            "run_id": "1000",
            "run_number": "1",
            "run_attempt": "1",
            "server_url": "https://github.com",
            "api_url": "https://api.github.com",
            "token": "token-of-the-run",
        }
