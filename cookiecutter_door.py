"""What makes Cookiecutter do as Copier does: take answers as they are, and refuse bad ones in time.

Cookiecutter loads `Door` as a local Jinja extension (`_extensions` in cookiecutter.json). A
`pre_gen_project` hook would come too late: by then folders are made, and some would stay behind.
"""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import yaml
from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment, StrictUndefined
from jinja2.ext import Extension

ROOT = Path(__file__).resolve().parent
TREE = "{{{cookiecutter.project_slug}}}"
OWN = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
# What is ours, by its question: a default or choices. `_` and `__prompts__` are no questions.
DEFAULTS = {
    name: value if isinstance(value, list) else [value]
    for name, value in OWN.items()
    if not name.startswith("_") or isinstance(value, str)
}


class Door(Extension):
    """Gives Cookiecutter's environment the functions that cookiecutter.json and the tree call."""

    def __init__(self, environment: Environment) -> None:
        """Make them known."""
        super().__init__(environment)
        environment.globals.update(
            expected=expected, refuse_bad=refuse_bad, template_commit=template_commit
        )
        environment.filters["template_address"] = template_address

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Quote an answer: Cookiecutter renders those of the command line like its defaults."""
        if self.environment.loader:
            return source  # a file of the tree
        text = repr(source)
        answer = "{{{ " + text + " }}}"
        if source != TREE and not any(source in ours for ours in DEFAULTS.values()):
            return answer
        # These words are ours only where they are expected: an answer may be the same.
        ours = "{% if " + text + " in expected(cookiecutter) %}" + source
        return ours + "{% else %}" + answer + "{% endif %}"


def expected(answers: Mapping[str, str]) -> list[str]:
    """Give our words for the question whose turn it is; once all are answered, the tree's name."""
    return next((ours for name, ours in DEFAULTS.items() if name not in answers), [TREE])


def refuse_bad(answers: Mapping[str, str]) -> str:
    """Apply the `validator:`s of copier.yml; the first sentence that one gives ends the run."""
    environment = Environment(undefined=StrictUndefined, **OWN["_jinja2_env_vars"])
    entries = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    questions = {name: entry for name, entry in entries.items() if not name.startswith("_")}
    known = {name: question["default"] for name, question in questions.items()} | dict(answers)
    for question in questions.values():
        validator = environment.from_string(question.get("validator", ""))
        if sentence := validator.render(known).strip():
            raise FailedHookException(sentence)
    return ""


def template_commit() -> str:
    """Name the template's version as Copier does; empty where it has no git history."""
    if not (ROOT / ".git").exists():
        return ""
    command = ["git", "-C", str(ROOT), "describe", "--tags", "--always"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def template_address(template: str) -> str:
    """Turn what the user typed into an address that `copier update` finds from anywhere."""
    remote = ":" in template and not Path(template).is_absolute()
    return template if remote or template.endswith(".zip") else str(ROOT)
