"""Damaged data through the whole graph: the champion stays valid, and the reason is given.

The table in `docs/data-faults.md` has the outcome of each kind, and the sentence that explains it.
`UPDATE_DOCS=1` writes it from what the tests observe.
"""

import html
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput
from {{{ cookiecutter.package_name }}}.runtime.files import read_json, read_parquet
from {{{ cookiecutter.package_name }}}.runtime.periods import CADENCE, EXAMPLE, PARTITIONS
from {{{ cookiecutter.package_name }}}.runtime.results import Champion, Evaluation, Result
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import Run, RunDir
from {{{ cookiecutter.package_name }}}.runtime.steps.predict import predict

from .conftest import KEY, MAIN, NEVER, OUTCOME, REQUIRED, ROOT, P, Project, V, champion_of
from .damage import DAMAGES, Damage

DOCUMENT = ROOT / "docs/data-faults.md"
UPDATE = "UPDATE_DOCS=1 .venv/bin/python -m pytest tests/runtime/test_damage.py"
HEAD = "| what is wrong | the run | what it says |\n|---|---|---|\n"

# Names that differ between projects, where they stand, and what the document has instead. A name
# may also be a word of the sentence.
TABLE = re.escape(MAIN)
STANDS_FOR = {
    rf"\b{TABLE}\.{re.escape(room.tables().DATED[MAIN])}:": "main.time:",
    rf"\b{TABLE}\.{re.escape(OUTCOME)}:": "main.outcome:",
    rf"\b{TABLE}\.{re.escape(REQUIRED)}:": "main.column:",
    rf"`{re.escape(REQUIRED)}`": "`column`",
    rf"(?<=has ){re.escape(MAIN.title())}(?=,)": "Main",
    rf"(?<=name it like ){TABLE}\b|(?<=has ){TABLE}(?=/more|-2)": "main",
    rf"(?<=: ){TABLE}(?= is a Delta)": "main",
    rf"(?<=repeat the ){re.escape(', '.join(KEY))}\b": "key",
    rf"(?<= in ){re.escape(room.tables().TIME_ZONE)}\b": "the time zone",
    rf"(?<=of ){TABLE}\b|(?<=/){TABLE}\b|\b{TABLE}(?=: |\.parquet|\.csv)": "main",
    rf"\b{TABLE}(?=/(?i:{PARTITIONS[0]})=)": "main",
    rf"(?<=has ){TABLE}(?= twice)|(?<=as ){TABLE}(?=:)": "main",
    rf"`{re.escape(room.tables().DATED[MAIN])}`": "`time`",
    rf"(?<=no ){CADENCE.unit}(?= of)": "period",
    rf"\b{PARTITIONS[0]}=": "period=",
    rf"\b{PARTITIONS[0].title()}=": "Period=",
    NEVER: "2099-01",
    EXAMPLE: "2013-06",
}
NUMBERS = {
    r"(\d{4}-\d{2})-[0-9a-f]{8}": r"\1-…",
    r"(\S+%|none) allowed": "… allowed",
    r"holds \S+ to [\d-]+": "holds … to …",
    r"at least [\d,]+ are": "at least … are",
    r"[\d,]+ rows repeat": "… rows repeat",
    r"its type is \S+, not \S+": "its type is …, not …",
    r"(?<=is not readable as Parquet: )[^`;]+$": "…",  # what a library says
}


@pytest.fixture(scope="module")
def table() -> Iterator[dict[str, str]]:
    """Return the document's rows by their first cell; a test may rewrite its own."""
    text, _, table = DOCUMENT.read_text(encoding="utf-8").partition(HEAD)
    rows = {row.split(" | ")[0].removeprefix("| "): row for row in table.splitlines()}
    yield rows
    if "UPDATE_DOCS" in os.environ:
        table = "".join(f"{rows[d.what]}\n" for d in DAMAGES if d.what in rows)
        DOCUMENT.write_text(text + HEAD + table, encoding="utf-8")


@pytest.fixture
def opened_later(released: Project) -> Iterator[None]:
    """Open what a damage closes, so that pytest can delete it."""
    yield
    if (folder := released.folder / "data/source" / MAIN).exists():
        folder.chmod(0o755)


@pytest.mark.usefixtures("opened_later")
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.what)
def test_damage(
    damage: Damage, released: Project, source: Path, table: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "closed").touch(mode=0)
    if damage.closes and os.access(tmp_path / "closed", os.R_OK):
        pytest.skip("root may read everything")
    champion = champion_of(released)
    damage.do(released)
    files = released.files()

    if damage.run == "refused":
        with pytest.raises(BadInput) as refusal:
            released.plan(damage.period)
        assert released.files() == files
        result, sentence = None, str(refusal.value)
    else:
        run = released.work(damage.period)
        result = released.result(run)
        assert (result.status == "quarantined") == (damage.run == "is quarantined")
        sentence = check_result(run, result)
    check_champion(released, source, champion, result)

    seen = row(damage, sentence)
    assert generic(damage.says) in seen
    if "UPDATE_DOCS" in os.environ:
        table[damage.what] = seen
    assert table.get(damage.what) == seen, f"{DOCUMENT.name} differs: rewrite it with {UPDATE}"


def check_result(run: Run, result: Result) -> str:
    """Check what a run left behind; return its sentence, without the verdict on its model."""
    run_dir = RunDir(run)
    page = html.unescape(run_dir.report.read_text(encoding="utf-8"))
    assert f"<p>{result.reason[0].upper()}{result.reason[1:]}.</p>" in page
    if result.status == "quarantined":
        assert run_dir.quarantine.exists()
        return result.reason
    assert result.status in {"released", "kept_champion"}
    evaluation = read_json(run_dir.evaluation, Evaluation)
    measured = [result.metrics, evaluation.champion_metrics or {}]
    assert all(math.isfinite(value) for metrics in measured for value in metrics.values())
    assert result.reason.startswith(evaluation.reason)
    return result.reason.removeprefix(evaluation.reason).removeprefix("; ") or "nothing"


def check_champion(project: Project, source: Path, before: Champion, result: Result | None) -> None:
    """Check that the champion is the one before, or of a run that released it, and can predict."""
    now = champion_of(project)
    if result is not None:
        assert (result.champion_before, result.champion_after) == (before, now)
    if result is not None and result.status == "released":
        assert (now.version, now.run_id) == (V[2], result.run_id)
    else:
        assert now == before
    good = project.params.model_copy(update={"source": str(source)})
    predictions = read_parquet(predict(good, P[6]))
    assert predictions["version"].unique().to_list() == [now.version]
    assert predictions[room.model().PREDICTION].cast(pl.Float64).is_finite().all()


def row(damage: Damage, sentence: str) -> str:
    """Return a row of the document, without names and numbers that differ between projects."""
    assert "|" not in sentence
    return f"| {damage.what} | {damage.run} | {generic(sentence)} |"


def generic(sentence: str) -> str:
    """Return a sentence as the document has it, whose periods are like 2013-05."""
    for number, period in enumerate(P[1:], 1):
        sentence = sentence.replace(period, f"2013-{number:02d}")
    for pattern, stand_in in (STANDS_FOR | NUMBERS).items():
        sentence = re.sub(pattern, stand_in, sentence)
    return sentence


def test_the_document_has_these_kinds(table: dict[str, str]) -> None:
    if "UPDATE_DOCS" not in os.environ:
        kinds = [damage.what for damage in DAMAGES]
        assert list(table) == kinds, f"{DOCUMENT.name} differs: rewrite it with {UPDATE}"
