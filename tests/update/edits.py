"""A team's edits of its project between two updates."""

from pathlib import Path

from tests.shell import change
from tests.update.releases import CI, limit_checks, replace

STEP = '''"""Look at the scores before anything is released."""

import logging

import humanize
from pydantic import BaseModel

from .runtime.files import read_parquet, write_json
from .runtime.run import Run, RunDir

log = logging.getLogger(__name__)


class Audit(BaseModel):
    """How many rows were scored."""

    rows: str


def audit(run: Run) -> Audit:
    """Count the scores."""
    run_dir = RunDir(run)
    audited = Audit(rows=humanize.intcomma(read_parquet(run_dir.scores).height))
    write_json(run_dir.step_result("audit"), audited)
    log.info("audit: %s rows were scored", audited.rows)
    return audited
'''

TASK = '''@task(timeout_seconds=60, **RETRIES)
def audit(run: Run, evaluation: results.Evaluation) -> results.Evaluation:
    """Look at the scores."""
    checkpoint(audit_step.audit, run)
    return evaluation


'''

IMPORT = "from my_pipeline.runtime import PROJECT, results\n"
OWN_IMPORT = "from my_pipeline import audit as audit_step\n"

LINES = {
    "params.yaml": ["source: deliveries ", "learning_rate: 0.12"],
    "pyproject.toml": ['  "humanize>=4.11",            # numbers as people read them'],
    ".github/workflows/ci.yml": ["      - run: make audit", "    branches: [main, trunk]"],
    "Makefile": ["audit: setup ## list what is installed"],
    "flows/training.py": [OWN_IMPORT, TASK, "audit(this, evaluate(this, trained))"],
    "src/my_pipeline/audit.py": [STEP],
    "uv.lock": [],
}
"""Edited or added files that are not the team's alone, with some of their lines."""


def edit(project: Path) -> None:
    """Add a step, a dependency, a target and a job's step; set the source and a parameter."""
    change(project / "params.yaml", "source: data/source        #", "source: deliveries         #")
    change(project / "params.yaml", "learning_rate: 0.1\n", "learning_rate: 0.12\n")
    dependency = LINES["pyproject.toml"][0]
    replace(project / "pyproject.toml", r'  "jinja2>', f'{dependency}\n  "jinja2>')
    workflow = project / ".github/workflows/ci.yml"
    change(workflow, "branches: [main]", "branches: [main, trunk]")
    change(workflow, "  run: make test\n", "  run: make test\n      - run: make audit\n")
    target = f"{LINES['Makefile'][0]}\n\t@$(UV) pip list\n\n"
    replace(project / "Makefile", "(?m)^format: setup ##", f"{target}format: setup ##")
    (project / "src/my_pipeline/audit.py").write_text(STEP, encoding="utf-8")
    flow = project / "flows/training.py"
    replace(flow, r"(@task\([^)]*\)\ndef release\()", rf"{TASK}\1")
    change(flow, IMPORT, OWN_IMPORT + IMPORT)
    change(flow, "evaluate(this, trained)", "audit(this, evaluate(this, trained))")


def edit_same_lines(project: Path) -> None:
    """Change lines that every release of ours changes, too, and one that stays."""
    limit_checks(project / CI, 90)
    replace(project / "pyproject.toml", r'("polars>=[\d.]+),<2"', r'\1,<1.99"')
    change(project / "params.yaml", "learning_rate: 0.1\n", "learning_rate: 0.2\n")
