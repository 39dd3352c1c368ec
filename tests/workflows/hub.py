"""A project on GitHub: its repository, its events and its pull requests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.shell import Shell

NAME = "me/my-pipeline"


@dataclass(frozen=True)
class Event:
    """An event that starts a workflow; the payload is what GitHub sends with it."""

    name: str
    sha: str
    payload: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Hub:
    """A repository that can be cloned and pushed to."""

    shell: Shell
    folder: Path

    @classmethod
    def of(cls, shell: Shell, project: Path, folder: Path) -> "Hub":
        """Push a project's commits to a new repository."""
        shell("git", "clone", "-q", "--bare", project, folder)
        shell("git", "config", "uploadpack.allowAnySHA1InWant", "true", cwd=folder)
        return cls(shell, folder)

    def git(self, *words: str) -> str:
        return self.shell("git", *words, cwd=self.folder).stdout.strip()

    def text(self, sha: str, file: str) -> str:
        """Return a file of a commit."""
        return self.shell("git", "show", f"{sha}:{file}", cwd=self.folder).stdout

    def commit(self, branch: str, files: Mapping[str, str]) -> None:
        """Commit files on top of `main`, and point a branch to that commit."""
        with TemporaryDirectory() as made:
            work = Path(made)
            self.shell("git", "clone", "-q", self.folder, work)
            self.shell("git", "checkout", "-q", "-B", branch, cwd=work)
            for name, text in files.items():
                (work / name).parent.mkdir(parents=True, exist_ok=True)
                (work / name).write_text(text, encoding="utf-8")
            self.shell("git", "add", "--all", cwd=work)
            self.shell("git", "commit", "-qm", f"Change {', '.join(files)}", cwd=work)
            self.shell("git", "push", "-qf", "origin", branch, cwd=work)

    @property
    def pulls(self) -> Path:
        """Return the folder in which the stand-in for create-pull-request writes."""
        return self.folder.with_name(f"{self.folder.name}-pulls")

    def pull(self, branch: str) -> tuple[str, str]:
        """Return the title and the body of a branch's pull request."""
        return (
            (self.pulls / f"{branch}.title").read_text(),
            (self.pulls / f"{branch}.body").read_text(),
        )

    def push(self) -> Event:
        """Return the push of the newest commit of `main`."""
        return Event("push", self.git("rev-parse", "main"), {"ref": "refs/heads/main"})

    def schedule(self) -> Event:
        payload = {"repository": {"default_branch": "main"}}
        return Event("schedule", self.git("rev-parse", "main"), payload)

    def dispatch(self, **inputs: str) -> Event:
        """Return the event of the button "Run workflow"."""
        payload = {"ref": "refs/heads/main", "inputs": inputs}
        return Event("workflow_dispatch", self.git("rev-parse", "main"), payload)

    def pull_request(self, branch: str, base: str = "main") -> Event:
        """Return the event of a pull request, whose commit merges it into its base."""
        ends = {name: self.git("rev-parse", name) for name in (base, branch)}
        tree = self.git("merge-tree", "--write-tree", base, branch)
        parents = [word for sha in ends.values() for word in ("-p", sha)]
        merge = self.git("commit-tree", tree, *parents, "-m", f"Merge {branch} into {base}")
        self.git("update-ref", "refs/pull/1/merge", merge)
        sides = {
            side: {"ref": name, "sha": ends[name]}
            for side, name in (("base", base), ("head", branch))
        }
        return Event("pull_request", merge, {"number": 1, "pull_request": {"number": 1, **sides}})
