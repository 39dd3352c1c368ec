"""The trackers that the template offers, with what the tests must know of each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tracker:
    """One of the choices of `tracker`."""

    name: str
    """As people write it; its column in docs/tracker-faults.md."""
    quick: str
    """The orchestrator that runs it in `make test`."""
    words: str
    """An expression for the words that stand in its files only."""
    pages: str | None = "mlflow"
    """The service that shows its runs and models."""
    registry: str = "mlflow"
    """The tracker whose registry it takes."""


TRACKERS = {
    "mlflow": Tracker("MLflow", quick="prefect", words="mlflow"),
    "wandb": Tracker("W&B", quick="kubeflow", words="wandb|W&B"),
    "trackio": Tracker(
        "trackio", quick="prefect", words="trackio", pages="trackio", registry="trackio"
    ),
    "dvclive": Tracker(
        "DVCLive", quick="kubeflow", words=r"dvclive|\bgto", pages=None, registry="dvclive"
    ),
}
BESIDE_MLFLOW = [tracker for tracker in TRACKERS if tracker != "mlflow"]
