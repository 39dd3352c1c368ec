"""The parameters of the team's modules."""

from pydantic import Field

from .runtime.settings import Settings


class FeatureParams(Settings):
    """`features`: nothing to choose."""


class TrainParams(Settings):
    """`train`: the strength of the ridge."""

    alpha: float = Field(ge=0)


class EvaluateParams(Settings):
    """`evaluate`: what a challenger must reach, in bikes."""

    floor: float = Field(gt=0)
    min_gain: float = Field(ge=0)
