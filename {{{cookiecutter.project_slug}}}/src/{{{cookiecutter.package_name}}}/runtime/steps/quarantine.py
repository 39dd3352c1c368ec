"""Set a run aside whose data are bad."""

import logging

from ..files import read_json, write_json
from ..results import Quality, Quarantine, QuarantinedPeriod
from ..run import Run, RunDir, read_plan

log = logging.getLogger(__name__)

ADVICE = (
    "Deliver corrected data and run the period again. If the data are right, correct the rule: in "
    "tables.py, for labels in `check_labels` of features.py"
)


def quarantine(run: Run) -> Quarantine:
    """Write down what was delivered and what is wrong with it; the champion is not touched.

    Writes `quarantine.json`.
    """
    run_dir, plan = RunDir(run), read_plan(run)
    quality = read_json(run_dir.quality, Quality)
    bad = {
        period: QuarantinedPeriod(
            findings=[str(finding) for finding in found.findings], sha256=plan.checksums[period]
        )
        for period, found in quality.periods.items()
        if found.findings
    }
    quarantined = Quarantine(periods=bad)
    write_json(run_dir.quarantine, quarantined)
    log.error("quarantine: %s. %s", quality.reason, ADVICE)
    return quarantined
