"""Stand-ins for GitHub's actions: they do on this machine what each action would do.

An input that a stand-in does not know is an error.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.projects import interpreter
from tests.shell import ROOT
from tests.workflows.hub import Event, Hub
from tests.workflows.machine import Machine, StepError


@dataclass(frozen=True)
class Call:
    """A step that uses an action: its inputs and its surroundings."""

    inputs: dict[str, str]
    machine: Machine
    hub: Hub
    event: Event
    artifacts: Path
    variables: dict[str, str]

    def program(self, *words: str | Path, cwd: Path | None = None) -> str:
        """Run a program as a step would; return what it printed."""
        command = [str(word) for word in words]
        code, log = self.machine.start(command, cwd or self.machine.workspace, self.variables, 600)
        if code != 0:
            raise StepError(f"{' '.join(command)}\n{log}")
        return log

    def yes(self, name: str, default: str = "false") -> bool:
        """Return an input that is true or false."""
        said = self.inputs.get(name, default).lower()
        if said not in ("true", "false"):
            raise StepError(f"{name} is neither true nor false: {said!r}")
        return said == "true"


@dataclass(frozen=True)
class Action:
    """A stand-in's description, and the inputs that it knows."""

    by: str
    inputs: str
    run: Callable[[Call], dict[str, str]]


ACTIONS: dict[str, Action] = {}
# Actions without a stand-in, with the reason.
NOT_RUN = {
    "actions/attest-build-provenance": "signs with an identity that only GitHub gives",
}


def stands_in_for(
    name: str, by: str, inputs: str = ""
) -> Callable[[Callable[[Call], dict[str, str]]], None]:
    def add(function: Callable[[Call], dict[str, str]]) -> None:
        ACTIONS[name] = Action(by, inputs, function)

    return add


@stands_in_for(
    "actions/checkout",
    "a clean clone of the commit",
    "ref fetch-depth fetch-tags path persist-credentials token clean",
)
def checkout(call: Call) -> dict[str, str]:
    """Check out a commit; without credentials, a clone can no longer reach its origin."""
    folder = call.machine.workspace / call.inputs.get("path", ".")
    if folder != call.machine.workspace or not (folder / ".git").exists():
        shutil.rmtree(folder, ignore_errors=True)  # as the action does with what is no clone
    folder.mkdir(parents=True, exist_ok=True)
    asked = call.inputs.get("ref", "")
    ref = asked or call.event.sha
    depth = call.inputs.get("fetch-depth", "1")
    whole = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]
    fetch = ["fetch", "-q", f"file://{call.hub.folder}", *([] if depth != "0" else whole), ref]
    if depth != "0":
        fetch.insert(2, f"--depth={depth}")
        fetch.insert(3, "--tags" if call.yes("fetch-tags") else "--no-tags")
    call.program("git", "init", "-q", cwd=folder)
    if call.yes("clean", "true"):
        call.program("git", "clean", "-ffdxq", cwd=folder)
    call.program("git", *fetch, cwd=folder)
    branch = asked or call.event.ref.removeprefix("refs/heads/")
    branches = call.hub.git("branch", "--format=%(refname:short)").split()
    target = ["-B", branch] if branch in branches else ["--detach"]
    call.program("git", "checkout", "-qf", *target, "FETCH_HEAD", cwd=folder)
    credentials = call.yes("persist-credentials", "true")
    origin = call.hub.folder if credentials else call.hub.folder / "asks-for-credentials"
    call.program("git", "config", "remote.origin.url", f"file://{origin}", cwd=folder)
    return {"ref": ref, "commit": call.event.sha}


def give(call: Call, name: str, programs: dict[str, Path]) -> None:
    """Put programs on the PATH of the steps that follow, and nothing else."""
    folder = call.machine.tools / name
    folder.mkdir(exist_ok=True)
    for called, program in programs.items():
        (folder / called).symlink_to(program)
    call.machine.paths.insert(0, str(folder))


@stands_in_for("astral-sh/setup-uv", "the uv of this machine")
def setup_uv(call: Call) -> dict[str, str]:
    """Put uv on the PATH, and the installed Pythons that it would otherwise download."""
    uv = ROOT / ".uv/bin/uv"
    found = {"uv": uv if uv.exists() else Path(shutil.which("uv") or "uv")}
    for version in ("3.11", "3.12", "3.13"):
        if python := interpreter(version):
            found[f"python{version}"] = python
    give(call, "uv", found)
    return {"cache-hit": "false"}


@stands_in_for("actions/setup-python", "a Python of this machine", "python-version")
def setup_python(call: Call) -> dict[str, str]:
    """Put the versions of Python that the input lists on the PATH; the last is the default."""
    versions = call.inputs["python-version"].split()
    found: dict[str, Path] = {}
    for version in versions:
        python = interpreter(version)
        if not python:
            raise StepError(f"no Python {version} is here")
        found |= dict.fromkeys(("python", "python3", f"python{version}"), python)
    give(call, "python", found)
    return {"python-version": versions[-1], "python-path": str(found["python"])}


@stands_in_for("actions/cache", "nothing: no cache is there", "path key restore-keys")
def cache(call: Call) -> dict[str, str]:
    """Find nothing."""
    return {"cache-hit": ""}


def matching(call: Call, patterns: str) -> dict[Path, Path]:
    """Return the files that match, each by its name in an artifact; hidden ones as asked for."""
    hidden = call.yes("include-hidden-files")
    found: dict[Path, Path] = {}
    starts: list[Path] = []
    for pattern in patterns.split("\n"):
        if pattern.startswith(("!", "~")):
            raise StepError(f"not known here: {pattern}")
        whole = call.machine.workspace / pattern.strip()
        fixed = Path(str(whole).partition("*")[0] + "x").parent if "*" in pattern else whole
        starts.append(fixed if fixed.is_dir() else fixed.parent)
        for path in Path("/").glob(str(whole)[1:]) if pattern.strip() else ():
            for file in [path] if path.is_file() else path.rglob("*"):
                inner = file.relative_to(fixed.parent if fixed.is_file() else fixed)
                if file.is_file() and (hidden or not any(p[0] == "." for p in inner.parts)):
                    found[file] = file
    common = os.path.commonpath(starts)
    return {file: file.relative_to(common) for file in sorted(found)}


@stands_in_for(
    "actions/upload-artifact",
    "a copy in a folder of the run",
    "name path if-no-files-found retention-days include-hidden-files overwrite",
)
def upload_artifact(call: Call) -> dict[str, str]:
    """Copy the files; hidden ones only where they are asked for."""
    name = call.inputs.get("name", "artifact")
    files = matching(call, call.inputs["path"].strip())
    if not files:
        if call.inputs.get("if-no-files-found", "warn") == "error":
            raise StepError(f"no file is there: {call.inputs['path']}")
        return {}
    target = call.artifacts / name
    if target.exists():
        if not call.yes("overwrite"):
            raise StepError(f"there is an artifact {name} already")
        shutil.rmtree(target)
    for file, inner in files.items():
        place = target / inner
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, place)
    return {"artifact-id": "1", "artifact-url": f"https://github.com/artifacts/{name}"}


@stands_in_for("actions/download-artifact", "the copy in the folder of the run", "name path")
def download_artifact(call: Call) -> dict[str, str]:
    """Copy the files of one artifact, or of all, each into a folder of its name."""
    target = call.machine.workspace / call.inputs.get("path", ".")
    source = call.artifacts / call.inputs.get("name", "")
    if not source.is_dir():
        raise StepError(f"there is no artifact {call.inputs.get('name')}")
    shutil.copytree(source, target, dirs_exist_ok=True)
    return {"download-path": str(target)}


@stands_in_for("docker/setup-buildx-action", "the builder of this machine's engine")
def setup_buildx(call: Call) -> dict[str, str]:
    """Check that there is a builder."""
    call.program("docker", "buildx", "version")
    return {"driver": "docker"}


@stands_in_for("docker/login-action", "`docker login`", "registry username password")
def docker_login(call: Call) -> dict[str, str]:
    """Log in at a registry, for the rest of the job."""
    names = ("username", "password")
    words = [f"--{name}={call.inputs[name]}" for name in names]
    call.program("docker", "login", *words, call.inputs["registry"])
    return {}


@stands_in_for(
    "docker/build-push-action",
    "`docker buildx build`, with no cache of GitHub's and no attestations",
    "context file tags labels build-args push load cache-from cache-to provenance sbom",
)
def build_push(call: Call) -> dict[str, str]:
    """Build an image, and push it if the inputs ask for that.

    The engine's own builder makes no attestations: another one comes as an image of its own.
    """
    given = call.inputs
    words = [f"--{name}" for name in ("push", "load") if call.yes(name)]
    for option, name in (("tag", "tags"), ("label", "labels"), ("build-arg", "build-args")):
        lines = given.get(name, "").splitlines()
        words += [f"--{option}={line}" for line in lines if line.strip()]
    if "file" in given:
        words.append(f"--file={given['file']}")
    about = call.machine.temp / "build.json"
    words += [f"--metadata-file={about}", "--progress=plain"]
    call.program("docker", "buildx", "build", *words, given["context"])
    found = json.loads(about.read_text())
    names = {"digest": "containerimage.digest", "imageid": "containerimage.config.digest"}
    return {output: found.get(name, "") for output, name in names.items()}


@stands_in_for(
    "peter-evans/create-pull-request",
    "a commit on the branch, and a note of the pull request",
    "token branch title commit-message body body-path",
)
def create_pull_request(call: Call) -> dict[str, str]:
    """Push all changes to the branch, as one commit on that of the workflow."""
    given = call.inputs
    call.program("git", "add", "--all")
    if not call.program("git", "status", "--porcelain"):
        return {"pull-request-operation": "none"}
    identity = ("-c", "user.name=bot", "-c", "user.email=bot@example.com")
    call.program("git", *identity, "commit", "-qm", given["commit-message"])
    ref = f"HEAD:refs/heads/{given['branch']}"
    call.program("git", "push", "-qf", f"file://{call.hub.folder}", ref)
    path = given.get("body-path")
    body = (call.machine.workspace / path).read_text() if path else given["body"]
    is_new = given["branch"] not in call.hub.pulls
    call.hub.pulls[given["branch"]] = {"title": given["title"], "body": body}
    return {"pull-request-operation": "created" if is_new else "updated"}
