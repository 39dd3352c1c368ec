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
DEFAULTS = [value if isinstance(value, list) else [value] for value in OWN.values()]


class Door(Extension):
    """Gives Cookiecutter's environment the functions that cookiecutter.json and the tree call."""

    def __init__(self, environment: Environment) -> None:
        """Make them known."""
        super().__init__(environment)
        environment.globals.update(refuse_bad=refuse_bad, template_commit=template_commit)
        environment.filters["template_address"] = template_address

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Quote an answer: Cookiecutter renders those of the command line like its defaults."""
        if self.environment.loader or any(source in values for values in DEFAULTS):
            return source  # a file of the tree, or one of our defaults or choices
        answer = "{{{ " + repr(source) + " }}}"
        if source != TREE:
            return answer
        # The same words name the tree, once the questions are over.
        return "{% if _cookiecutter is defined %}" + TREE + "{% else %}" + answer + "{% endif %}"


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
