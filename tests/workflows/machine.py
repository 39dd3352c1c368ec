"""The machine of a job: its folders, variables and programs, as a fresh runner of GitHub's has."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from tests.shell import Shell

# The commands with which GitHub starts the script of a step; without `shell:` it is the first.
SHELLS = {
    "": "bash -e {0}",
    "bash": "bash --noprofile --norc -eo pipefail {0}",
    "sh": "sh -e {0}",
    "python": "python {0}",
}
FILES = ("OUTPUT", "ENV", "PATH", "STATE", "STEP_SUMMARY")
PROTECTED = re.compile(r"GITHUB_\w*|RUNNER_\w*|NODE_OPTIONS")
# What the machine of a test has, and GitHub's machines do not.
OURS = re.compile(r"GIT_(AUTHOR|COMMITTER)_\w+|VIRTUAL_ENV|PYTEST_\w+|PYTHON\w+|GITHUB_\w+|CI")


class StepError(Exception):
    """A step wrote something that GitHub refuses; the step has failed."""


@dataclass(frozen=True)
class Ran:
    """The outcome of a script; one that exceeded its time limit has no exit code."""

    code: int | None
    log: str
    outputs: dict[str, str]


def variables_of(shell: Shell) -> dict[str, str]:
    """Return the variables that GitHub's machine would have: no identity for git, no uv."""
    kept = {k: v for k, v in shell.environment().items() if not OURS.fullmatch(k)}
    folders = [Path(folder) for folder in kept["PATH"].split(os.pathsep)]
    ours = Path(sys.executable).parent
    system = ("/usr", "/bin", "/sbin")
    kept["PATH"] = os.pathsep.join(
        str(folder)
        for folder in folders
        if folder != ours and (str(folder).startswith(system) or not (folder / "uv").exists())
    )
    return kept


def read_pairs(said: str) -> dict[str, str]:
    """Read what a step wrote to GITHUB_OUTPUT or GITHUB_ENV."""
    pairs = {}
    lines = iter(said.splitlines())
    for line in lines:
        if heredoc := re.fullmatch(r"([^=<]+)<<(.+)", line):
            name, end = heredoc.groups()
            value = []
            for inner in lines:
                if inner == end:
                    break
                value.append(inner)
            else:
                raise StepError(f"{name!r} does not end with {end!r}")
            pairs[name] = "\n".join(value)
        elif "=" in line:
            name, _, pairs_value = line.partition("=")
            pairs[name] = pairs_value
        elif line:
            raise StepError(f"neither a name with its value nor `name<<END`: {line!r}")
    return pairs


@dataclass
class Machine:
    """Runs the scripts of a job, one after the other."""

    folder: Path
    variables: dict[str, str]
    exported: dict[str, str] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    summary: str = ""
    groups: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make its folders; a self-hosted machine has those of former jobs."""
        for part in (self.temp, self.tools):
            shutil.rmtree(part, ignore_errors=True)
        for part in (self.workspace, self.temp, self.home, self.tools):
            part.mkdir(parents=True, exist_ok=True)

    @property
    def workspace(self) -> Path:
        return self.folder / "work"

    @property
    def temp(self) -> Path:
        return self.folder / "temp"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def tools(self) -> Path:
        return self.folder / "tools"

    def environment(self, more: dict[str, str]) -> dict[str, str]:
        """Return the variables of a program: the machine's, and `more`."""
        path = os.pathsep.join([*self.paths, more.get("PATH", self.variables["PATH"])])
        own = {
            "HOME": str(self.home),
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.temp),
            "RUNNER_TOOL_CACHE": str(self.tools),
        }
        return self.variables | more | own | {"PATH": path}

    def run(
        self, script: str, shell: str, directory: str, more: dict[str, str], seconds: float
    ) -> Ran:
        """Run the script of a step, then read what it wrote to GitHub's files."""
        command = SHELLS.get(shell, shell)
        if "{0}" not in command:
            raise StepError(f"unknown shell: {shell}")
        place = self.temp / "step"
        place.mkdir(exist_ok=True)
        file = place / "script"
        file.write_text(script, encoding="utf-8")
        files = {f"GITHUB_{name}": place / name for name in FILES}
        for part in files.values():
            part.write_text("")
        code, log = self.start(
            [word.replace("{0}", str(file)) for word in shlex.split(command)],
            self.workspace / directory,
            more | {name: str(part) for name, part in files.items()},
            seconds,
        )
        read = {name: part.read_text(encoding="utf-8") for name, part in files.items()}
        self.take_in(read)
        return Ran(code, log, read_pairs(read["GITHUB_OUTPUT"]))

    def take_in(self, read: dict[str, str]) -> None:
        exported = read_pairs(read["GITHUB_ENV"])
        if refused := [name for name in exported if PROTECTED.fullmatch(name)]:
            raise StepError(f"GITHUB_ENV cannot set {', '.join(refused)}")
        self.exported |= exported
        self.paths = [*reversed(read["GITHUB_PATH"].split()), *self.paths]
        self.summary += read["GITHUB_STEP_SUMMARY"]

    def start(
        self, command: list[str], directory: Path, more: dict[str, str], seconds: float
    ) -> tuple[int | None, str]:
        """Run a program in its own process group, which is killed after the time limit."""
        log = self.temp / "log"
        with log.open("w+", encoding="utf-8", errors="replace") as said:
            try:
                process = subprocess.Popen(
                    command,
                    cwd=directory,
                    env=self.environment(more),
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:  # no such folder or program
                return 127, str(error)
            self.groups.append(process.pid)
            try:
                code: int | None = process.wait(max(seconds, 0))
            except subprocess.TimeoutExpired:
                self.kill(process.pid)
                process.wait()
                code = None
        return code, log.read_text(encoding="utf-8", errors="replace")

    def hash_files(self, *patterns: object) -> str:
        """Return one hash of the files that match, as the function `hashFiles` does."""
        found: dict[Path, None] = {}
        for pattern in map(str, patterns):
            matching = self.workspace.glob(pattern.lstrip("!/"))
            files = [path for path in sorted(matching) if path.is_file()]
            if pattern.startswith("!"):
                found = {path: None for path in found if path not in files}
            else:
                found |= dict.fromkeys(files)
        hashes = b"".join(sha256(path.read_bytes()).digest() for path in found)
        return sha256(hashes).hexdigest() if found else ""

    def write_event(self, event: object) -> str:
        """Write what started the workflow to a file, and return its name."""
        file = self.temp / "event.json"
        file.write_text(json.dumps(event), encoding="utf-8")
        return str(file)

    def kill(self, group: int) -> None:
        for sign in (signal.SIGINT, signal.SIGKILL):
            try:
                os.killpg(group, sign)
            except ProcessLookupError:
                return
            time.sleep(0.5)

    def stop(self) -> None:
        """Kill the processes that the steps left, as GitHub does at the end of a job."""
        for group in self.groups:
            self.kill(group)
