"""Reads the files of workflows, and checks that the runner knows all of their keys."""

import itertools
import re
from fnmatch import fnmatchcase
from typing import Any

import yaml

from tests.workflows.hub import Event

# The known keys of a workflow, a job and a step. `permissions` means nothing on this machine.
WORKFLOW = "name run-name on permissions concurrency env defaults jobs"
CALLER = "name needs if permissions concurrency strategy uses with secrets"
JOB = (
    "name needs if permissions concurrency strategy runs-on environment env defaults"
    " outputs timeout-minutes continue-on-error steps"
)
STEP = "id name if run uses with env shell working-directory timeout-minutes continue-on-error"

# Which contexts GitHub knows at which place.
EARLY = "github needs strategy matrix inputs vars"
LATE = f"{EARLY} job runner env steps"
AVAILABLE = {
    "workflow": "github inputs vars",
    "workflow env": "github secrets inputs vars",
    "job if": "github needs inputs vars",
    "strategy": "github needs inputs vars",
    "job": EARLY,
    "job env": f"{EARLY} secrets",
    "job defaults": f"{EARLY} env",
    "job secrets": f"{EARLY} secrets",
    "environment url": LATE,
    "step if": LATE,
    "step": f"{LATE} secrets",
    "workflow outputs": "github jobs inputs vars",
}


class WorkflowError(Exception):
    """A workflow that GitHub would refuse, or that this runner does not know."""


class Loader(yaml.SafeLoader):
    """Reads YAML as GitHub does: `on` is a text, as a date is, and no key is there twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Read a mapping."""
        keys = [key.value for key, _ in node.value]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise WorkflowError(f"there twice: {', '.join(twice)}")
        return super().construct_mapping(node, deep)


TYPES = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
Loader.yaml_implicit_resolvers = {
    sign: [(tag, regexp) for tag, regexp in pairs if tag in TYPES]
    for sign, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), ["t", "f"])


def read(source: str, file: str) -> dict[str, Any]:
    """Return a workflow after a check of its keys."""
    tree = known(yaml.load(source, Loader), WORKFLOW, file)  # noqa: S506 - a safe loader's child
    for name, job in tree["jobs"].items():
        known(job, CALLER if "uses" in job else JOB, f"{file}: {name}")
        for step in job.get("steps", []):
            known(step, STEP, f"{file}: {name}: {step}")
            if ("run" in step) == ("uses" in step):
                raise WorkflowError(f"{file}: {name}: either `run` or `uses`: {step}")
    return tree


def known(tree: Any, keys: str, where: str) -> dict[str, Any]:
    """Return a mapping that has none but these keys."""
    if not isinstance(tree, dict):
        raise WorkflowError(f"{where}: not a mapping: {tree!r}")
    if unknown := sorted(set(tree) - set(keys.split())):
        raise WorkflowError(f"{where}: unknown here: {', '.join(map(str, unknown))}")
    return tree


def title(step: dict[str, Any]) -> str:
    """Return the name of a step; if it has none, its action or the first line of its script."""
    first = str(step.get("run", "")).strip().partition("\n")[0]
    return step.get("name") or step.get("uses", "").partition("@")[0] or first


def listed(given: Any) -> list[Any]:
    """Return a value that may be a single item or a list as a list."""
    return given if isinstance(given, list) else [] if given is None else [given]


def triggers(tree: dict[str, Any]) -> dict[str, Any]:
    """Return the events of a workflow, each with its filters."""
    on = tree["on"]
    return on if isinstance(on, dict) else dict.fromkeys(listed(on))


def starts(tree: dict[str, Any], event: Event) -> bool:
    """Return whether an event starts a workflow."""
    on = triggers(tree)
    if event.name not in on:
        return False
    if event.name in {"schedule", "workflow_dispatch"}:
        return True
    filters = known(on[event.name] or {}, "branches tags types", f"on {event.name}")
    asked = event.payload.get("pull_request")
    ref = f"refs/heads/{asked['base']['ref']}" if asked else event.ref
    _, kind, name = ref.split("/", 2)
    if "types" in filters and event.payload.get("action") not in listed(filters["types"]):
        return False
    if {"branches", "tags"} & set(filters):
        patterns = listed(filters.get("tags" if kind == "tags" else "branches"))
        return any(fnmatchcase(name, pattern) for pattern in patterns)
    return True


def inputs_of(declared: dict[str, Any] | None, given: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the inputs of a workflow that is called or started by hand, with their defaults."""
    declared = {name: about or {} for name, about in (declared or {}).items()}
    if unknown := sorted(set(given) - set(declared)):
        raise WorkflowError(f"{where} has no input {', '.join(unknown)}")
    empty = {"boolean": False, "number": 0}
    found = {}
    for name, about in declared.items():
        known(about, "description required default type options", f"{where}: {name}")
        kind = about.get("type", "string")
        if about.get("required") and given.get(name) is None:
            raise WorkflowError(f"{where} needs the input {name}")
        value = given.get(name, about.get("default", empty.get(kind, "")))
        types = {"boolean": bool, "number": int | float}
        if not isinstance(value, types.get(kind, str)):
            raise WorkflowError(f"{where}: {name} is no {kind}: {value!r}")
        if kind == "choice" and value not in about["options"]:
            raise WorkflowError(f"{where}: {name} is none of {about['options']}: {value!r}")
        found[name] = value
    return found


def legs(matrix: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the combinations of a matrix, as its lists, `exclude` and `include` give them."""
    axes = {name: values for name, values in matrix.items() if name not in ("include", "exclude")}
    bare = [dict(zip(axes, row, strict=True)) for row in itertools.product(*axes.values())]
    bare = [
        leg
        for leg in bare
        if axes and not any(within(e, leg) for e in listed(matrix.get("exclude")))
    ]
    found = [dict(leg) for leg in bare]
    for more in listed(matrix.get("include")):
        fixed = {name: value for name, value in more.items() if name in axes}
        meant = [n for n, leg in enumerate(bare) if within(fixed, leg)]
        for n in meant:
            found[n] |= more
        if not meant:
            found.append(dict(more))
    return found


def within(part: dict[str, Any], whole: dict[str, Any]) -> bool:
    return all(whole.get(name) == value for name, value in part.items())


def in_order(jobs: dict[str, Any]) -> list[str]:
    """Return the names of jobs, each after the jobs that it needs."""
    found: list[str] = []
    while len(found) < len(jobs):
        ready = [
            name
            for name, job in jobs.items()
            if name not in found and set(listed(job.get("needs"))) <= set(found)
        ]
        if not ready:
            raise WorkflowError(
                f"jobs that wait for each other or for none: {set(jobs) - set(found)}"
            )
        found.append(ready[0])
    return found
