"""Runs a GitHub workflow on this machine: each `run:` unchanged, each `uses:` by a stand-in.

An unknown key, context or action is an error: nothing is ignored.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.workflows.actions import ACTIONS, NOT_RUN, Action, Call
from tests.workflows.expressions import CaseSensitive, Function, Scope, fill, holds, text
from tests.workflows.hub import Event, Hub, Settings
from tests.workflows.machine import Machine, Ran, StepError, variables_of
from tests.workflows.syntax import (
    AVAILABLE,
    WorkflowError,
    in_order,
    inputs_of,
    known,
    legs,
    listed,
    read,
    starts,
    title,
    triggers,
)

FOLDER = ".github/workflows"
MINUTES = 360.0  # of a job or step that does not say
LAST = 300.0  # seconds, for the steps that run when the job's time is over
RUNNER = {"os": "Linux", "arch": "X64", "name": "here"}


@dataclass
class Step:
    """The outcome of a step, and what executed it."""

    name: str
    how: str = "executed"  # or "replaced by ...", or "not run: ..."
    outcome: str = "skipped"
    conclusion: str = "skipped"
    outputs: dict[str, str] = field(default_factory=dict)
    log: str = ""
    seconds: float = 0.0

    def context(self) -> dict[str, Any]:
        """Return what later steps can read of it."""
        return {
            "outputs": self.outputs,
            "outcome": self.outcome,
            "conclusion": self.conclusion,
        }


@dataclass
class Job:
    """The outcome of a job, or of one leg of its matrix."""

    name: str
    result: str = "skipped"
    outputs: dict[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    summary: str = ""
    called: "Run | None" = None
    forgiven: bool = False

    def step(self, name: str) -> Step:
        """Return the step of a name."""
        (found,) = (step for step in self.steps if step.name == name)
        return found


@dataclass
class Run:
    """The outcome of a workflow."""

    file: str
    jobs: list[Job] = field(default_factory=list)
    results: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    artifacts: Path = Path()

    @property
    def result(self) -> str:
        return together(self.results.values())

    def walk(self, before: str = "") -> Iterator[tuple[str, Job]]:
        """Yield each job with its name; those of a called workflow are `caller / called`."""
        for job in self.jobs:
            yield before + job.name, job
            if job.called:
                yield from job.called.walk(f"{before}{job.name} / ")

    def job(self, name: str) -> Job:
        """Return the job of a name."""
        return dict(self.walk())[name]

    def __str__(self) -> str:
        """Return all outcomes, with the output of failed steps."""
        lines = [f"{self.file}: {self.result}"]
        for name, job in self.walk():
            lines.append(f"  {name}: {job.result}")
            for step in job.steps:
                lines.append(
                    f"    {step.name}: {step.how}: {step.conclusion}, {step.seconds:.0f} s"
                )
                if step.outcome == "failure":
                    lines += [f"      | {line}" for line in step.log.splitlines()]
        return "\n".join(lines)


def together(results: Iterable[str]) -> str:
    """Return the one result of many."""
    found = set(results)
    return next((r for r in ("failure", "cancelled", "success") if r in found), "skipped")


def texts(tree: dict[str, Any]) -> dict[str, str]:
    return {name: text(value) for name, value in tree.items()}


@dataclass(frozen=True)
class Given:
    """The surroundings of a run.

    GitHub's side of it; a folder of its own, and one for self-hosted machines; words that are
    replaced in the workflows; the stand-ins for actions; and variables of all machines.
    """

    hub: Hub
    event: Event
    folder: Path
    hosts: Path
    replaced: Mapping[str, str]
    actions: Mapping[str, Action]
    environment: Mapping[str, str]

    def read(self, file: str) -> dict[str, Any]:
        """Return a workflow of the event's commit."""
        source = self.hub.text(self.event.sha, file)
        for old, new in self.replaced.items():
            source = source.replace(old, new)
        return read(source, file)


def run(
    hub: Hub,
    event: Event,
    name: str,
    folder: Path,
    *,
    hosts: Path | None = None,
    replaced: Mapping[str, str] | None = None,
    actions: Mapping[str, Action] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Run:
    """Run the workflow of this name that is in the event's commit."""
    given = Given(
        hub,
        event,
        folder,
        hosts or folder / "hosts",
        replaced or {},
        ACTIONS | dict(actions or {}),
        environment or {},
    )
    file = f"{FOLDER}/{name}"
    tree = given.read(file)
    if not starts(tree, event):
        raise WorkflowError(f"{file} is not started by {event.name} of {event.ref}")
    declared = (triggers(tree).get("workflow_dispatch") or {}).get("inputs")
    by_hand = event.name == "workflow_dispatch"
    filled_in = {n: v for n, v in event.inputs.items() if v != ""}
    inputs = inputs_of(declared, filled_in, file) if by_hand else {}
    secrets = {"GITHUB_TOKEN": hub.context(event)["token"]} | dict(hub.settings.secrets)
    given = replace(given, event=replace(event, inputs=texts(inputs)))
    return Workflow(given, file, tree, inputs, secrets).run()


class Workflow:
    """A workflow while it runs."""

    def __init__(
        self,
        given: Given,
        file: str,
        tree: dict[str, Any],
        inputs: dict[str, Any],
        secrets: dict[str, str],
        place: str = "",
    ) -> None:
        self.given = given
        self.tree = tree
        self.jobs: dict[str, Any] = tree["jobs"]
        self.place = place
        self.secrets = secrets
        self.outputs: dict[str, dict[str, str]] = {}
        self.done = Run(file, artifacts=given.folder / "artifacts")
        self.contexts = {
            "github": given.hub.context(given.event) | {"workflow": tree.get("name", file)},
            "inputs": inputs,
            "vars": dict(given.hub.settings.vars),
            "secrets": secrets,
        }
        scope = self.scope("workflow")
        fill([tree.get("run-name"), tree.get("concurrency")], scope)
        self.env = texts(fill(tree.get("env", {}), self.scope("workflow env")))

    def scope(
        self,
        place: str,
        more: Mapping[str, Any] | None = None,
        functions: Mapping[str, Function] | None = None,
    ) -> Scope:
        """Return what an expression can name at a place."""
        all_ = self.contexts | dict(more or {})
        return Scope({name: all_[name] for name in AVAILABLE[place].split()}, functions or {})

    def run(self) -> Run:
        """Run all jobs."""
        for name in in_order(self.jobs):
            self.run_job(name)
        jobs = {
            name: {"result": result, "outputs": self.outputs[name]}
            for name, result in self.done.results.items()
        }
        declared = (triggers(self.tree).get("workflow_call") or {}).get("outputs") or {}
        scope = self.scope("workflow outputs", {"jobs": jobs})
        self.done.outputs = {n: text(fill(o["value"], scope)) for n, o in declared.items()}
        return self.done

    def ancestors(self, name: str) -> set[str]:
        """Return the jobs that a job waits for, and those that they wait for."""
        direct = set(listed(self.jobs[name].get("needs")))
        return direct.union(*(self.ancestors(before) for before in direct))

    def run_job(self, name: str) -> None:
        tree = self.jobs[name]
        before = [self.done.results[job] for job in self.ancestors(name)]
        status: dict[str, Function] = {
            "success": lambda: set(before) <= {"success"},
            "failure": lambda: "failure" in before,
            "cancelled": lambda: False,
            "always": lambda: True,
        }
        needs = {
            "needs": {
                job: {"result": self.done.results[job], "outputs": self.outputs[job]}
                for job in listed(tree.get("needs"))
            }
        }
        self.outputs[name] = {}
        if not holds(tree.get("if", True), self.scope("job if", needs, status)):
            self.done.results[name] = "skipped"
            self.done.jobs.append(Job(name))
            return
        done: list[Job] = []
        for more in self.legs(tree, needs):
            shown = ", ".join(text(v) for v in more["matrix"].values())
            leg = Job(f"{name} ({shown})" if shown else name)
            fail_fast = more["strategy"]["fail-fast"]
            if fail_fast and any(j.result == "failure" and not j.forgiven for j in done):
                leg.result = "cancelled"
            else:
                self.run_leg(name, leg, needs | more)
            done.append(leg)
            self.outputs[name] |= {n: v for n, v in leg.outputs.items() if v}
        self.done.jobs += done
        ends = ["success" if leg.forgiven else leg.result for leg in done]
        self.done.results[name] = together(ends)

    def legs(self, tree: dict[str, Any], needs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the contexts `matrix` and `strategy` of each leg; without a matrix there is one."""
        strategy = fill(tree.get("strategy", {}), self.scope("strategy", needs))
        known(strategy, "matrix fail-fast max-parallel", "strategy")
        found = legs(strategy["matrix"]) if "matrix" in strategy else [{}]
        for n, leg in enumerate(found):
            about = {"job-index": n, "job-total": len(found)}
            about |= {"fail-fast": strategy.get("fail-fast", True)}
            about |= {"max-parallel": strategy.get("max-parallel", len(found))}
            yield {"matrix": leg, "strategy": about}

    def run_leg(self, name: str, leg: Job, more: dict[str, Any]) -> None:
        tree = self.jobs[name]
        scope = self.scope("job", more)
        fill([tree.get("name"), tree.get("concurrency")], scope)
        if "uses" in tree:
            leg.called = self.call(tree, scope, more, f"{self.place}{leg.name} / ")
            leg.result, leg.outputs = leg.called.result, leg.called.outputs
        else:
            Execution(self, name, leg, more).run()

    def call(self, tree: dict[str, Any], scope: Scope, more: dict[str, Any], place: str) -> Run:
        """Run another workflow of the repository."""
        if not tree["uses"].startswith(f"./{FOLDER}/"):
            raise WorkflowError(f"not a workflow of this repository: {tree['uses']}")
        file = tree["uses"].removeprefix("./")
        called = self.given.read(file)
        on = triggers(called)
        if "workflow_call" not in on:
            raise WorkflowError(f"{file} cannot be called")
        about = known(on["workflow_call"] or {}, "inputs outputs secrets", file)
        inputs = inputs_of(about.get("inputs"), fill(tree.get("with", {}), scope), file)
        passed = tree.get("secrets", {})
        if passed == "inherit":
            secrets = self.secrets
        else:
            secrets = texts(fill(passed, self.scope("job secrets", more)))
            if unknown := sorted(set(secrets) - set(about.get("secrets") or {})):
                raise WorkflowError(f"{file} has no secret {', '.join(unknown)}")
            secrets["GITHUB_TOKEN"] = self.secrets["GITHUB_TOKEN"]
        for name, declared in (about.get("secrets") or {}).items():
            if (declared or {}).get("required") and not secrets.get(name):
                raise WorkflowError(f"{file} needs the secret {name}")
        return Workflow(self.given, file, called, inputs, secrets, place).run()


class Execution:
    """A job, or a leg of it, while its steps run."""

    def __init__(self, workflow: Workflow, name: str, leg: Job, more: dict[str, Any]) -> None:
        self.workflow = workflow
        self.given = workflow.given
        self.leg = leg
        self.tree = workflow.jobs[name]
        self.more = more
        self.failed = False
        self.late = False  # its time was over: GitHub cancels it
        scope = workflow.scope("job", more)
        environment = self.tree.get("environment") or {}
        if not isinstance(environment, dict):
            environment = {"name": environment}
        self.url = known(environment, "name url", name).get("url")
        settings = self.given.hub.environments.get(
            text(fill(environment.get("name"), scope)), Settings()
        )
        self.more |= {
            "vars": workflow.contexts["vars"] | dict(settings.vars),
            "secrets": workflow.secrets | dict(settings.secrets),
        }
        scope = workflow.scope("job", self.more)
        self.end = time.monotonic() + 60 * self.minutes(self.tree, scope)
        leg.forgiven = bool(fill(self.tree.get("continue-on-error", False), scope))
        self.env = workflow.env | texts(
            fill(self.tree.get("env", {}), workflow.scope("job env", self.more))
        )
        self.machine = Machine(
            self.place(fill(self.tree["runs-on"], scope)),
            variables_of(self.given.hub.shell) | dict(self.given.environment),
        )
        self.more |= {
            "github": workflow.contexts["github"]
            | {"job": name, "workspace": str(self.machine.workspace)},
            "runner": RUNNER
            | {"temp": str(self.machine.temp), "tool_cache": str(self.machine.tools)},
            "steps": {},
        }
        self.defaults = self.read_defaults()

    def place(self, runs_on: Any) -> Path:
        """Return the folder of the job's machine: a fresh one, or that of a self-hosted one."""
        first, *labels = map(text, listed(runs_on))
        if first == "self-hosted":
            return self.given.hosts.joinpath(*labels)
        if labels or not first.startswith("ubuntu-"):
            raise WorkflowError(f"no Ubuntu of GitHub's and no machine of one's own: {runs_on}")
        name = f"{self.workflow.place}{self.leg.name}"
        return self.given.folder / name.replace(" / ", "-").replace(" ", "")

    def minutes(self, tree: dict[str, Any], scope: Scope) -> float:
        found = fill(tree.get("timeout-minutes", MINUTES), scope)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise WorkflowError(f"timeout-minutes: no number: {found!r}")
        return found

    def read_defaults(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for tree in (self.workflow.tree, self.tree):
            filled = fill(tree.get("defaults", {}), self.scope("job defaults"))
            run = known(filled, "run", "defaults").get("run", {})
            found |= texts(known(run, "shell working-directory", "defaults.run"))
        return found

    def scope(self, place: str, own: Mapping[str, str] | None = None) -> Scope:
        """Return what an expression of this job can name in its current state."""
        env = self.env | self.machine.exported | dict(own or {})
        more = self.more | {"env": CaseSensitive(env), "job": {"status": self.status()}}
        functions: dict[str, Function] = {"hashfiles": self.machine.hash_files}
        if place == "step if":
            functions |= {
                "success": lambda: not self.failed and not self.late,
                "failure": lambda: self.failed,
                "cancelled": lambda: self.late,
                "always": lambda: True,
            }
        return self.workflow.scope(place, more, functions if place.startswith("step") else {})

    def status(self) -> str:
        return "cancelled" if self.late else "failure" if self.failed else "success"

    def run(self) -> None:
        """Run the steps, then read the outputs of the job."""
        try:
            for tree in self.tree["steps"]:
                step = self.run_step(tree)
                self.leg.steps.append(step)
                self.failed |= step.conclusion == "failure"
                if "id" in tree:
                    self.more["steps"][tree["id"]] = step.context()
        finally:
            self.machine.stop()
        self.leg.summary = self.machine.summary
        self.leg.result = self.status()
        fill(self.url, self.scope("environment url"))
        declared = self.tree.get("outputs", {})
        self.leg.outputs = texts(fill(declared, self.scope("step")))

    def run_step(self, tree: dict[str, Any]) -> Step:
        own = texts(fill(tree.get("env", {}), self.scope("step")))
        scope = self.scope("step", own)
        step = Step(text(fill(title(tree), scope)))
        if "uses" in tree:
            step.how = self.how(tree["uses"])
        if not holds(tree.get("if", True), self.scope("step if", own)):
            return step
        begun = time.monotonic()
        try:
            if "uses" in tree:
                self.replace(tree, step, scope, own)
            else:
                self.execute(tree, step, scope, own)
        except StepError as error:
            step.outcome = "failure"
            step.log += f"error: {error}\n"
        step.seconds = time.monotonic() - begun
        forgiven = fill(tree.get("continue-on-error", False), scope)
        step.conclusion = "success" if forgiven is True else step.outcome
        return step

    def how(self, uses: str) -> str:
        action = uses.partition("@")[0]
        if action in self.given.actions:
            return f"replaced by {self.given.actions[action].by}"
        if action in NOT_RUN:
            return f"not run: {NOT_RUN[action]}"
        raise WorkflowError(f"nothing stands in for {uses}")

    def replace(self, tree: dict[str, Any], step: Step, scope: Scope, own: dict[str, str]) -> None:
        """Do what an action would do here."""
        action = self.given.actions.get(tree["uses"].partition("@")[0])
        inputs = texts(fill(tree.get("with", {}), scope))
        if action:
            known(inputs, action.inputs, tree["uses"])
            call = Call(
                inputs,
                self.machine,
                self.given.hub,
                self.given.event,
                self.workflow.done.artifacts,
                self.variables(own),
            )
            step.outputs = action.run(call)
        step.outcome = "success"

    def variables(self, own: dict[str, str]) -> dict[str, str]:
        """Return the variables of a step: GitHub's own, the workflow's, those set meanwhile."""
        github = self.more["github"]
        names = (
            "event_name sha ref ref_name ref_type base_ref head_ref repository repository_owner"
            " actor triggering_actor run_id run_number run_attempt server_url api_url workflow job"
        )
        default = {f"GITHUB_{name.upper()}": text(github[name]) for name in names.split()}
        default |= {"GITHUB_ACTIONS": "true"}
        default |= {f"RUNNER_{name.upper()}": value for name, value in RUNNER.items()}
        event = self.machine.write_event(github["event"])
        default |= {"GITHUB_EVENT_PATH": event}
        return {"CI": "true"} | self.env | self.machine.exported | own | default

    def execute(self, tree: dict[str, Any], step: Step, scope: Scope, own: dict[str, str]) -> None:
        """Run the script of a step."""
        shell = text(fill(tree.get("shell", self.defaults.get("shell", "")), scope))
        directory = tree.get("working-directory", self.defaults.get("working-directory", "."))
        left = LAST if self.late else self.end - time.monotonic()
        ran: Ran = self.machine.run(
            text(fill(tree["run"], scope)),
            shell,
            text(fill(directory, scope)),
            self.variables(own),
            min(60 * self.minutes(tree, scope), left),
        )
        step.log, step.outputs = ran.log, ran.outputs
        step.outcome = "success" if ran.code == 0 else "failure"
        if ran.code is None:
            step.log += "error: its time is over\n"
            if time.monotonic() >= self.end:
                self.late, step.outcome = True, "cancelled"
