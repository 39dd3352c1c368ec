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
QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
DEFAULTS = {text for value in QUESTIONS.values() for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)}


class Door(Extension):
    """Gives Cookiecutter's environment the functions that cookiecutter.json and the tree call."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.globals.update(refuse_bad=refuse_bad, template_commit=template_commit)
        environment.filters["template_address"] = template_address

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Quote an answer: Cookiecutter renders those from the command line like its defaults."""
        if self.environment.loader or source in DEFAULTS:
            return source
        answer = "{{{ " + repr(source) + " }}}"
        if source == TREE:  # the tree's name once the questions are over, an answer until then
            return "{% if _cookiecutter is defined %}" + TREE + "{% else %}" + answer + "{% endif %}"
        return answer


def refuse_bad(answers: Mapping[str, str]) -> str:
    """Apply the `validator:`s of copier.yml; the first sentence that one gives ends the run."""
    environment = Environment(undefined=StrictUndefined, **QUESTIONS["_jinja2_env_vars"])
    rules = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    words = {name: rule["default"] for name, rule in rules.items() if name.islower() and "when" in rule}
    for name, rule in rules.items():
        if not name.startswith("_") and "validator" in rule:
            sentence = environment.from_string(rule["validator"]).render(words | dict(answers)).strip()
            if sentence:
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
