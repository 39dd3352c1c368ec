"""`params.yaml`, typed and checked."""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import BadInput

PARAMS_FILE = Path("params.yaml")

Share = Annotated[float, Field(ge=0, le=1)]


class Checked(BaseModel):
    """Settings of which every key must be known and every value of its type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TrainParams(Checked):
    """Hyperparameters, as scikit-learn's `HistGradientBoostingClassifier` takes them."""

    learning_rate: float = Field(gt=0)
    max_iter: int = Field(gt=0)
    max_leaf_nodes: int = Field(gt=1)
    min_samples_leaf: int = Field(gt=0)
    l2_regularization: float = Field(ge=0)


class EvaluateParams(Checked):
    """What a challenger must reach to be released."""

    min_auc: Share
    min_gain: Share


class AlertParams(Checked):
    """Whom to tell is in `ALERT_URLS`, which is secret."""

    wanted: bool


class DeadlineParams(Checked):
    """By when what must have happened."""

    champion_days: int | None = Field(gt=0)


class ExperimentParams(Checked):
    """What `dvc repro` and `dvc exp run` work on."""

    period: str


class Params(Checked):
    """All of `params.yaml`."""

    source: str = Field(min_length=1)
    source_timeout: float = Field(gt=0)
    runs: str = Field(min_length=1)
    predictions: str = Field(min_length=1)
    model_name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    seed: int
    window: int = Field(ge=2)
    late_minutes: int = Field(gt=0)
    train: TrainParams
    evaluate: EvaluateParams
    alerts: AlertParams
    deadlines: DeadlineParams
    experiment: ExperimentParams


def load_params(file: Path = PARAMS_FILE) -> Params:
    """Read the parameters.

    Raises:
        BadInput: the file is missing or no YAML, a key is unknown or missing, or a value is wrong.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{file} is not here: run this from the project's folder.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} is not valid YAML: {' '.join(str(error).split())}.") from None
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        # A misspelt key is both unknown and missing: say that it is unknown.
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        what = {
            "extra_forbidden": "no such parameter exists; remove it or correct its name",
            "missing": "it is missing; add it",
        }.get(first["type"], f"{first['msg']}, not {first['input']!r}")
        raise BadInput(f"{file}: {where}: {what}.") from None
