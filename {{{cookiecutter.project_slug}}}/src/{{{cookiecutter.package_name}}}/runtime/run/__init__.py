"""The run: its plan, id, directory, checkpoints and result."""

from .plan import read_plan
from .run_dir import Run, RunDir

__all__ = ["Run", "RunDir", "read_plan"]
