"""The table of docs/workflows.md: the outcome of each step of a project's workflows."""

from pathlib import Path

from tests.tables import WORKFLOWS, read, record
from tests.workflows.runner import Run

NO_SUCH_STEP = "-"


def keep(done: Run, column: str) -> None:
    """Compare all steps of a run with the table, or write them there."""
    file = Path(done.file).name
    seen: dict[str, str] = {}
    for job, about in done.walk():
        for step in about.steps:
            row = f"{file}: {job}: {step.name}"
            assert row not in seen, f"two steps of one name: {row}"
            if step.how.startswith("not run"):
                seen[row] = step.how
            elif step.conclusion == "skipped":
                seen[row] = "skipped, by its condition"
            else:
                seen[row] = f"{step.how}: {step.conclusion}"
    for row in read(WORKFLOWS):
        if row.startswith(f"{file}: "):
            seen.setdefault(row, NO_SUCH_STEP)
    for row, cell in seen.items():
        record(WORKFLOWS, row, column, cell)
