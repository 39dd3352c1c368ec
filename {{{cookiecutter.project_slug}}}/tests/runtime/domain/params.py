"""The parameters of the modules beside this one."""

from pydantic import Field

from .runtime.settings import Settings


class FeatureParams(Settings):
    """`features`: how long a delivery may take."""

    free_minutes: float = Field(ge=0)


class TrainParams(Settings):
    """`train`: the strength of the ridge."""

    alpha: float = Field(ge=0)


class EvaluateParams(Settings):
    """`evaluate`: what a challenger must reach, in minutes."""

    floor: float = Field(gt=0)
    min_gain: float = Field(ge=0)
