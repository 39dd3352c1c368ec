"""Damaged data through the whole pipeline, as `python -m` runs it: no champion falls.

What becomes of each kind, and the sentence that a person gets, is the table in
`docs/data-faults.md`; `UPDATE_DOCS=1` writes what is seen here into it.
"""

import html
import math
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from {{{ cookiecutter.package_name }}} import tracking
from {{{ cookiecutter.package_name }}}.__main__ import main
from {{{ cookiecutter.package_name }}}.results import Champion, Result, history
from {{{ cookiecutter.package_name }}}.steps.evaluate import Evaluation
from {{{ cookiecutter.package_name }}}.steps.predict import predict
from {{{ cookiecutter.package_name }}}.workspace import Run, Workspace, read_json

from .conftest import ROOT, Project
from .damage import DAMAGES, Damage, Outcome

DOCUMENT = ROOT / "docs/data-faults.md"
UPDATE = "UPDATE_DOCS=1 .venv/bin/python -m pytest tests/test_damage.py"
RULE = "| --- | --- | --- |\n"
BECOMES: dict[Outcome, str] = {
    "refused": "refused",
    "quarantined": "quarantined",
    "judged": "goes on",
}
EXIT_CODES: dict[Outcome, int] = {"refused": 2, "quarantined": 3, "judged": 0}


def row(damage: Damage, sentence: str) -> str:
    """Return a row of the document, without what differs from machine to machine."""
    sentence = re.sub(r"(\d{4}-\d{2})-[0-9a-f]{8}", r"\1-…", sentence)
    assert "|" not in sentence
    return f"| {damage.what} | {BECOMES[damage.outcome]} | {sentence} |"


def documented() -> dict[str, str]:
    """Return the rows of the document, by what is wrong."""
    rows = DOCUMENT.read_text(encoding="utf-8").partition(RULE)[2].splitlines()
    return {text.split(" | ")[0].removeprefix("| "): text for text in rows}


@pytest.fixture(scope="module")
def document() -> Any:
    """The rows of the document, which a test may update."""
    rows = documented()
    yield rows
    if "UPDATE_DOCS" in os.environ:
        head, rule, _ = DOCUMENT.read_text(encoding="utf-8").partition(RULE)
        table = [rows[damage.what] for damage in DAMAGES if damage.what in rows]
        DOCUMENT.write_text("\n".join([head + rule.strip(), *table, ""]), encoding="utf-8")


def the_only_new(before: dict[str, Result | None]) -> Result:
    (result,) = [found for run_id, found in history("runs").items() if run_id not in before]
    assert result is not None
    return result


def check_page(run: Run, result: Result) -> None:
    page = html.unescape(Workspace(run).report.read_text(encoding="utf-8"))
    assert f"<p>{result.reason[0].upper()}{result.reason[1:]}.</p>" in page


def check_champion(project: Project, source: Path, before: Champion, result: Result | None) -> None:
    """The champion is the one of before, or the run's, and it scores a good month."""
    now = tracking.champion(project.params.model_name)
    assert now is not None
    if result is not None:
        assert (result.champion_before, result.champion_after) == (before, now)
    if result is not None and result.status == "released":
        assert (now.version, now.run_id) == ("2", result.run_id)
    else:
        assert now == before
    scored = pl.read_parquet(
        str(predict(project.params.model_copy(update={"source": str(source)}), "2013-07"))
    )
    assert scored["version"].unique().to_list() == [now.version]
    assert scored["probability"].is_between(0, 1, closed="none").all()


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.what)
def test_damage(
    damage: Damage,
    released: Project,
    source: Path,
    adapter: Any,
    document: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    champion, runs = tracking.champion(released.params.model_name), history("runs")
    assert champion is not None
    damage.do(released)
    if "denied" in damage.says and os.access("data/source/flights", os.R_OK):
        pytest.skip("nothing is closed to root")
    files = released.files()

    words = ["run", *(["--period", damage.period] if damage.period else [])]
    monkeypatch.setattr(sys, "argv", ["python -m", *words])
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # Ctrl-C stays pytest's
    with pytest.raises(SystemExit) as left:
        main()
    told = capsys.readouterr()
    assert left.value.code == EXIT_CODES[damage.outcome], told

    if damage.outcome == "refused":
        sentence = told.err.splitlines()[-1].removeprefix("error: ")
        assert released.files() == files
        check_champion(released, source, champion, None)
    else:
        result = the_only_new(runs)
        run = Run(run_id=result.run_id, period=result.period, folder=f"runs/{result.run_id}")
        assert result.period == damage.period or damage.period is None
        assert f"{result.period} {result.status}: {result.reason}" in told.out
        assert all(math.isfinite(value) for value in result.metrics.values())
        sentence = result.reason
        if damage.outcome == "judged":
            assert result.status in {"released", "kept_champion"}
            verdict = read_json(Workspace(run).evaluation, Evaluation).reason
            assert sentence.startswith(verdict)
            sentence = sentence.removeprefix(verdict).removeprefix("; ")
        else:
            assert result.status == "quarantined"
        check_page(run, result)
        check_champion(released, source, champion, result)
    assert damage.says in sentence

    if "UPDATE_DOCS" in os.environ:
        document[damage.what] = row(damage, sentence)
    seen = row(damage, sentence)
    assert document.get(damage.what) == seen, (
        f"{DOCUMENT} says otherwise; to write it anew: {UPDATE}"
    )


def test_the_document_has_these_kinds_and_no_other(document: dict[str, str]) -> None:
    kinds = [damage.what for damage in DAMAGES]
    assert [what for what in document if what in kinds] == kinds or "UPDATE_DOCS" in os.environ
