"""What the people of a project do to it between two updates."""

from pathlib import Path

from tests.update.releases import change, limit_checks

STEP = '''"""Look at the scores before anything is released."""

import logging

import humanize
from pydantic import BaseModel

from ..workspace import Run, Workspace, read_parquet

log = logging.getLogger(__name__)


class Audit(BaseModel):
    """How many flights were scored."""

    flights: str


def audit(run: Run) -> Audit:
    """Count the scores."""
    audited = Audit(flights=humanize.intcomma(read_parquet(Workspace(run).scores).height))
    log.info("audit: %s flights were scored", audited.flights)
    return audited
'''

TASK = '''@task(timeout_seconds=60, **settings)
def audit(run: Run) -> "Audit":
    """Look at the scores."""
    from my_pipeline.steps.audit import audit

    return once(audit, run)


'''

RELEASE = "@task(timeout_seconds=1800, **settings)\ndef release("
IMPORT = "    from my_pipeline.steps.evaluate import Evaluation\n"

LINES = {
    "params.yaml": ["source: deliveries ", "learning_rate: 0.12"],
    "pyproject.toml": ['  "humanize>=4.11",            # numbers as people read them'],
    ".github/workflows/ci.yml": ["      - run: make audit", "    branches: [main, trunk]"],
    "Makefile": ["audit: setup ## look at what is installed"],
    "flows/training.py": ['def audit(run: Run) -> "Audit":', "release(run, wait_for=[audited])"],
    "tests/conftest.py": ['    "audit",', '    "audit": lambda run: once(audit.audit, run),'],
    "src/my_pipeline/steps/audit.py": [STEP],
    "uv.lock": [],
}
"""The files edited or added, and lines of them that are theirs."""


def edit(project: Path) -> None:
    """Add a step, a target and a dependency; set source, a parameter and another branch for CI."""
    change(project / "params.yaml", "source: data/source        #", "source: deliveries         #")
    change(project / "params.yaml", "learning_rate: 0.1\n", "learning_rate: 0.12\n")
    change(
        project / "pyproject.toml",
        '  "jinja2>=3.1", ',
        LINES["pyproject.toml"][0] + '\n  "jinja2>=3.1", ',
    )
    workflow = project / ".github/workflows/ci.yml"
    change(workflow, "branches: [main]", "branches: [main, trunk]")
    change(workflow, "  run: make test\n", "  run: make test\n      - run: make audit\n")
    change(
        project / "Makefile",
        "format: setup ##",
        f"{LINES['Makefile'][0]}\n\t@$(UV) pip list\n\nformat: setup ##",
    )
    (project / "src/my_pipeline/steps/audit.py").write_text(STEP, encoding="utf-8")
    flow = project / "flows/training.py"
    change(flow, RELEASE, TASK + RELEASE)
    change(
        flow, IMPORT, IMPORT.replace("evaluate", "audit").replace("Evaluation", "Audit") + IMPORT
    )
    call = "        ended: Any = release("
    change(flow, call, "        audited = audit(run, wait_for=[evaluated])\n" + call)
    change(flow, "release(run, wait_for=[evaluated])", "release(run, wait_for=[audited])")
    tests = project / "tests/conftest.py"
    change(tests, '    "evaluate",\n', '    "evaluate",\n    "audit",\n')
    change(tests, "    evaluate,\n    features,\n", "    audit,\n    evaluate,\n    features,\n")
    release = '    "release": lambda run: once(release.release, run),\n'
    change(tests, release, LINES["tests/conftest.py"][1] + "\n" + release)


def edit_same_lines(project: Path) -> None:
    """Change lines that every release of ours changes, too, and one that stays."""
    limit_checks(project, 90)
    text = (project / "pyproject.toml").read_text(encoding="utf-8")
    (polars,) = (line for line in text.splitlines() if line.startswith('  "polars'))
    change(project / "pyproject.toml", polars, polars.replace(",<2", ",<1.99"))
    change(project / "params.yaml", "learning_rate: 0.1\n", "learning_rate: 0.2\n")
