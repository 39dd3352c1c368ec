"""How numbers and names are written for people."""

from collections.abc import Mapping


def counted(number: int, noun: str) -> str:
    """Return a number and its noun, such as `1 run` or `2 runs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def status_text(status: str) -> str:
    """Return how people write the status of a run, such as `kept champion`."""
    return status.replace("_", " ")


def listed(metrics: Mapping[str, float]) -> str:
    """Return metrics in one line."""
    return ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in metrics.items())
