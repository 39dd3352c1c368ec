"""Set a run aside whose data are not good enough."""

import logging

from pydantic import BaseModel

from ..plan import read_plan
from ..workspace import Run, Workspace, read_json, write_json
from .validate import Quality

log = logging.getLogger(__name__)


class Quarantined(BaseModel):
    """A month that broke the contract: what to show those who deliver it."""

    findings: list[str]
    sha256: dict[str, str]
    """By file name, the checksum of what was delivered; the files are kept under `raw/`."""


class Quarantine(BaseModel):
    """The bad months of a run."""

    months: dict[str, Quarantined]


def quarantine(run: Run) -> Quarantine:
    """Write down what was delivered and what is wrong with it; the champion is not touched.

    Writes `quarantine.json`.
    """
    workspace, plan = Workspace(run), read_plan(run)
    quality = read_json(workspace.quality, Quality)
    bad = {
        month: Quarantined(
            findings=[str(finding) for finding in judged.findings], sha256=plan.checksums[month]
        )
        for month, judged in quality.months.items()
        if judged.findings
    }
    quarantined = Quarantine(months=bad)
    write_json(workspace.quarantine, quarantined)
    log.error("quarantine: %s", quality.reason)
    return quarantined
