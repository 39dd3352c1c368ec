"""`params.yaml`, typed and checked: the runtime's settings, and the team's sections."""

import os
{% if cookiecutter.versioning == "dvc" %}
from datetime import date
{% endif %}
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError{{{ ', field_validator' if cookiecutter.versioning == 'dvc' else '' }}}

from ..params import EvaluateParams, FeatureParams, TrainParams
from .errors import BadInput
from .settings import Settings

PARAMS_FILE = Path("params.yaml")


class AlertParams(Settings):
    """`alerts`: who receives them is secret, and stands in `ALERT_URLS`."""

    wanted: bool = True
    quality_drop: float | None = Field(default=None, gt=0)
    """How far the headline metric may fall below its average before the monitoring alerts."""


class DeadlineParams(Settings):
    """`deadlines`: by when what must have happened."""

    champion_days: int | None = Field(default=None, gt=0)
    """Days after a period's end within which a model must be released or kept for it."""


{% if cookiecutter.versioning == "dvc" %}
class ExperimentParams(Settings):
    """`experiment`: what `dvc repro` and `dvc exp run` work on."""

    period: str = ""

    @field_validator("period", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        """Return a day as text: unquoted, YAML reads it as a date."""
        return value.isoformat() if isinstance(value, date) else value


{% endif %}
class Params(Settings):
    """All of `params.yaml`."""

    source: str = Field(default="data/source", min_length=1)
    source_timeout: float = Field(default=120, gt=0)
    runs: str = Field(default="runs", min_length=1)
    keep_runs: int | None = Field(default=None, ge=1)
    predictions: str = Field(default="predictions", min_length=1)
{% if cookiecutter.tracker == "dvclive" %}
    model_name: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?$")  # GTO's rule
{% else %}
    model_name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
{% endif %}
    seed: int = 0
    window: int = Field(default=3, ge=2)
    alerts: AlertParams = AlertParams()
    deadlines: DeadlineParams = DeadlineParams()
{% if cookiecutter.versioning == "dvc" %}
    experiment: ExperimentParams = ExperimentParams()
{% endif %}
    features: FeatureParams
    train: TrainParams
    evaluate: EvaluateParams


def load_params(file: Path = PARAMS_FILE) -> Params:
    """Return the parameters; raise `BadInput` where the file, a key or a value is wrong."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{file} is not here: run this from the project's folder.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file}, line {mark.line + 1}" if mark else str(file)
        what = getattr(error, "problem", None) or " ".join(str(error).split())
        raise BadInput(f"{place}: this is not valid YAML: {what}.") from None
    if isinstance(content, dict) and (source := os.environ.get("SOURCE")):  # CI has a small one
        content["source"] = source
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        # A misspelt key is both unknown and missing: report that it is unknown.
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        what = {
            "extra_forbidden": "no such parameter exists; remove it or correct its name",
            "missing": "it is missing; add it",
        }.get(first["type"])
        if what is None and (limit := _limit(first["type"], first.get("ctx", {}))):
            raise BadInput(f"{file}: {where} is {first['input']!r}: {limit}.") from None
        what = what or f"{first['msg']}, not {first['input']!r}"
        raise BadInput(f"{file}: {where}: {what}.") from None


def _limit(kind: str, given: dict[str, Any]) -> str | None:
    """Return the limit that a number breaks, None for another kind of error."""
    match kind:
        case "greater_than_equal":
            return f"at least {given['ge']} is needed"
        case "greater_than":
            return f"more than {given['gt']} is needed"
        case "less_than_equal":
            return f"at most {given['le']} is allowed"
        case "less_than":
            return f"less than {given['lt']} is needed"
    return None
