"""The parameters of the team's modules, typed: sections of `params.yaml`."""

from pydantic import Field, FiniteFloat

from .runtime.settings import Settings


class FeatureParams(Settings):
    """`features`: what is predicted."""

{% if cookiecutter.problem == "binary" %}
    late_minutes: int = Field(gt=0)
    """A flight that arrives later than this many minutes is late."""
{% else %}
    longest_delay: int = Field(gt=0)
    """A flight that arrives later than this many minutes counts as this late."""
{% endif %}


class TrainParams(Settings):
    """`train`: hyperparameters of scikit-learn's `{{{ 'HistGradientBoostingClassifier' if cookiecutter.problem == 'binary' else 'HistGradientBoostingRegressor' }}}`."""

    learning_rate: float = Field(gt=0)
    max_iter: int = Field(gt=0)
    max_leaf_nodes: int = Field(gt=1)
    min_samples_leaf: int = Field(gt=0)
    l2_regularization: float = Field(ge=0)


class EvaluateParams(Settings):
    """`evaluate`: what a challenger must reach to be released."""

    floor: FiniteFloat
    """The headline metric must be at least this good: for an error, at most this large."""
    min_gain: FiniteFloat = Field(ge=0)
    """It must be better than the champion's by more than this."""
