"""Jinja extension for Cookiecutter: keeps answers word for word, and refuses what Copier refuses.

`_extensions` in cookiecutter.json names it. A `pre_gen_project` hook would run too late: by then,
Cookiecutter has created folders, and leaves some behind.
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
CONFIG = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
# Defaults and derived values, in the order in which Cookiecutter renders them.
TEMPLATES = {name: text for name, text in CONFIG.items() if isinstance(text, str)}


class TemplateExtension(Extension):
    """Adds the functions that cookiecutter.json and the tree call to Cookiecutter's environment."""

    def __init__(self, environment: Environment) -> None:
        """Register the functions and the filter."""
        super().__init__(environment)
        environment.globals.update(
            next_template=next_template,
            refuse_bad_answers=refuse_bad_answers,
            template_commit=template_commit,
        )
        environment.filters["template_address"] = template_address

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Return the template of an answer as a literal: Cookiecutter would render the answer."""
        if self.environment.loader:  # a file of the tree
            return source
        literal = repr(source)
        answer = f"{{{{{{ {literal} }}}}}}"
        if source != TREE and source not in TEMPLATES.values():
            return answer
        # An answer may be the same text as one of our templates: that is ours only in its turn.
        ours = f"{{% if {literal} == next_template(cookiecutter) %}}{source}"
        return f"{ours}{{% else %}}{answer}{{% endif %}}"


def next_template(answers: Mapping[str, str]) -> str:
    """Return our template that Cookiecutter renders next; the tree's name once all are rendered."""
    return next((text for name, text in TEMPLATES.items() if name not in answers), TREE)


def refuse_bad_answers(answers: Mapping[str, str]) -> str:
    """Apply the validators of copier.yml.

    Raises:
        FailedHookException: a validator refuses an answer; the message is its sentence.
    """
    environment = Environment(undefined=StrictUndefined, **CONFIG["_jinja2_env_vars"])
    entries = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    questions = {name: entry for name, entry in entries.items() if not name.startswith("_")}
    known = {name: question["default"] for name, question in questions.items()} | dict(answers)
    for question in questions.values():
        validator = environment.from_string(question.get("validator", ""))
        if sentence := validator.render(known).strip():
            raise FailedHookException(sentence)
    return ""


def template_commit() -> str:
    """Return the template's version as Copier names it, or nothing without a git history."""
    if not (ROOT / ".git").exists():
        return ""
    command = ["git", "-C", str(ROOT), "describe", "--tags", "--always"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def template_address(template: str) -> str:
    """Return an address that `copier update` finds from any folder."""
    remote = ":" in template and not Path(template).is_absolute()
    return template if remote or template.endswith(".zip") else str(ROOT)
