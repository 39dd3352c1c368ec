"""The table of docs/workflows.md: the outcome of each step of a project's workflows."""

from collections.abc import Iterator
from pathlib import Path

from tests.tables import WORKFLOWS, read, record
from tests.workflows.act import Run, jobs, title

NO_SUCH_STEP = "-"


def rows(folder: Path) -> Iterator[str]:
    """Yield the rows of a project: the steps of its workflows, also of those that they call."""
    for file in folder.glob("*.yml"):
        if file.name != "deploy-to.yml":
            for name, job in jobs(file):
                yield from (f"{file.name}: {name}: {title(step)}" for step in job["steps"])


def keep(done: Run, column: str) -> None:
    """Compare all steps of a run with the table, or write them there."""
    seen: dict[str, str] = {}
    for name, job in done.jobs.items():
        for step in job.steps.values():
            if step.how.startswith("not run"):
                cell = step.how
            elif step.outcome == "skipped":
                cell = "skipped, by its condition"
            else:
                cell = f"{step.how}: {step.outcome}"
            seen[f"{done.file}: {name}: {step.name}"] = cell
    for row in read(WORKFLOWS):
        if row.startswith(f"{done.file}: "):
            seen.setdefault(row, NO_SUCH_STEP)
    for row, cell in seen.items():
        record(WORKFLOWS, row, column, cell)
