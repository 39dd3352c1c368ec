"""What a tracker has of a run, as `tracked.py` reads it back."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Logged:
    """All that a run logged."""

    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]
    curves: set[str]
    report: str
