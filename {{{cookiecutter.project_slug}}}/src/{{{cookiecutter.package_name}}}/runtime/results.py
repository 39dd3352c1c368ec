"""What the steps of a run return, as the JSON files of its directory hold it.

Each fact has one model here, cheap enough to import that nobody needs a copy.
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from .config import Params
from .periods import begins_later, in_words

NOT_READ = "not read: "
"""What stands for the checksum of a file or folder that is not read, before the reason."""

Status = Literal["released", "kept_champion", "quarantined", "nothing_new", "failed"]


class Planned(BaseModel):
    """The part of a plan that can be read whatever the run's parameters were: `plan.json`."""

    begun: datetime
    """When the run was first planned, in UTC."""
    period: str
    """The period to evaluate on."""
    checksums: dict[str, dict[str, str]]
    """By period and file name, the checksum of what is at the source; see `source/content.py`.

    For an unread file: `NOT_READ` and the reason.
    """
    prepared: dict[str, str] = {}
    """By period, what the cache calls that which is made of it."""

    @property
    def files(self) -> dict[str, str]:
        """Return the checksum of each file by name; periods share those of undated tables."""
        named = {name: sha for named in self.checksums.values() for name, sha in named.items()}
        return {name: sha for name, sha in named.items() if not sha.startswith(NOT_READ)}


class Plan(Planned):
    """What a run works on, settled before its first step: `plan.json`."""

    window: list[str]
    """The periods to train on, oldest first; all lie before the period."""
    absent: list[str]
    """Periods that belong in the window, but were not delivered."""
    redelivered: dict[str, str] = {}
    """By period that an earlier run used with other content, the id of the newest such run."""
    params: Params
    code_version: str

    @property
    def periods(self) -> list[str]:
        """All periods that the run reads: the window, then the period."""
        return [*self.window, self.period]

    @property
    def notes(self) -> list[str]:
        """Return notes for people on the deliveries."""
        absent = [f"not delivered: {in_words(self.absent)}"] if self.absent else []
        again = [
            f"{period} has changed since run {run_id} used it"
            for period, run_id in self.redelivered.items()
        ]
        return absent + again


class Checkpoint(BaseModel):
    """A step that is done; its result lies in a file of its own: `steps/<step>.json`."""

    step: str
    started: float
    """In seconds since 1970."""
    seconds: float
    taken: bool = False
    """Whether an earlier run did it, and this one took what it made."""


class IngestedFile(BaseModel):
    """One file as it was ingested."""

    sha256: str
    """Its checksum: of the bytes of a delivered file, of the content of rows."""
    rows: int | None
    """None where the file is damaged or not read; `validate` says what that means."""
    fault: str | None = None
    """What is wrong with such a file."""


class Manifest(BaseModel):
    """The files of a period, by name such as `<table>/0.parquet`: `manifests/<period>.json`."""

    files: dict[str, IngestedFile]


class Finding(BaseModel):
    """One way in which a table breaks its rules."""

    table: str
    column: str | None
    message: str

    def __str__(self) -> str:
        """Return it in one line: `orders.price: 33.3% are missing, 5.0% allowed`."""
        return f"{self.table}{f'.{self.column}' if self.column else ''}: {self.message}"


class PeriodQuality(BaseModel):
    """What was found in a period: `checks/<period>.json`."""

    rows: int
    unlabelled: int
    """Rows without an outcome: counted, but neither trained on nor evaluated."""
    findings: list[Finding]


class Quality(BaseModel):
    """The quality report of a run: `quality.json`."""

    good: bool
    reason: str
    """What is wrong with the data, and the notes."""
    notes: list[str]
    """Notes for people on a run with good data: periods left out, or changed."""
    window: list[str]
    """The periods that are fit to train on."""
    periods: dict[str, PeriodQuality]

    @property
    def window_in_words(self) -> str:
        """Return the periods to train on, for people."""
        return in_words(self.window)


class QuarantinedPeriod(BaseModel):
    """A period that broke the rules: what to show those who deliver it."""

    findings: list[str]
    sha256: dict[str, str]
    """By file name, the checksum of what was delivered; the files are kept under `raw/`."""


class Quarantine(BaseModel):
    """The bad periods of a run: `quarantine.json`."""

    periods: dict[str, QuarantinedPeriod]


class Snapshot(BaseModel):
    """The version of the data, the same wherever the same files are ingested: `snapshot.json`."""

    data_version: str


class FeatureTable(BaseModel):
    """The rows of a period: `features/<period>.json`."""

    rows: int
    columns: list[str]
    sha256: str
    """The checksum of the table's file."""


class Training(BaseModel):
    """What was fitted, and where the tracker has it: `training.json`."""

    periods: list[str]
    rows: int
    model_uri: str
    tracker_id: str
    tracker_url: str | None = None
    """The run in the tracker's pages."""
    python: str
    """The version of Python that made the model, and can load it."""


class Champion(BaseModel):
    """A released version of the model."""

    version: str
    run_id: str
    """The run that trained it."""
    period: str
    """The period that it was evaluated on."""
    metrics: dict[str, float]
    """Its metrics on that period, before its release."""

    def is_later_than(self, period: str) -> bool:
        """Return whether it is of a later period, and so may have been trained on this one."""
        return begins_later(self.period, period)


class Slice(BaseModel):
    """How well the challenger does on a part of the period."""

    by: str
    value: str
    rows: int
    metrics: dict[str, float]


class Evaluation(BaseModel):
    """The decision about the challenger, and what it rests on: `evaluation.json`."""

    release: bool
    reason: str
    metrics: dict[str, float]
    champion: Champion | None
    """The champion of the time; it was compared if `champion_metrics` is there."""
    champion_metrics: dict[str, float] | None
    """The champion's metrics, on the same period."""
    rows: int
    slices: list[Slice]


class Release(BaseModel):
    """What the release step did: `release.json`."""

    released: bool
    reason: str
    champion: Champion | None
    """The champion afterwards."""


class Result(BaseModel):
    """The outcome of a run, the same under every orchestrator: `result.json`."""

    schema_version: Literal[1] = 1
    run_id: str
    period: str
    status: Status
    reason: str
    step: str | None = None
    """The step at which a failed run failed."""
    orchestrator: str
    rows: dict[str, int] = {}
    """Rows ingested, unlabelled, trained on and scored."""
    metrics: dict[str, float] = {}
    """The challenger's, on the period."""
    champion_before: Champion | None = None
    champion_after: Champion | None = None
    data_version: str | None = None
    code_version: str | None = None
    tracker: str | None = None
    """The tool that has the run, as people write it."""
    tracker_url: str | None = None
    """The run in its pages."""
    seconds: dict[str, float] = {}
    """By step, its periods added up; `all` is from the first plan to the end."""
    retries: dict[str, int] = {}
    """By step, how often it was retried; steps that never were are left out."""
