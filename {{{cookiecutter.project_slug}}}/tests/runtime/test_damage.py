"""Damaged data through the whole pipeline, as the command line runs it: no champion falls.

What becomes of each kind, and the sentence that a person gets, is the table in
`docs/data-faults.md`; with `UPDATE_DOCS=1` it is written from what is seen here.
"""

import html
import math
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from {{{ cookiecutter.package_name }}} import tracking
from {{{ cookiecutter.package_name }}}.__main__ import main
from {{{ cookiecutter.package_name }}}.results import Champion, Result, history
from {{{ cookiecutter.package_name }}}.steps.evaluate import Evaluation
from {{{ cookiecutter.package_name }}}.steps.predict import predict
from {{{ cookiecutter.package_name }}}.workspace import (
    Run,
    Workspace,
    read_json,
)

from .conftest import ROOT, Project
from .damage import DAMAGES, Damage

DOCUMENT = ROOT / "docs/data-faults.md"
UPDATE = "UPDATE_DOCS=1 .venv/bin/python -m pytest tests/test_damage.py"
HEAD = "| what is wrong | the run | what it says |\n|---|---|---|\n"
EXIT_CODES = {"refused": 2, "is quarantined": 3, "goes on": 0}

Cli = Callable[[str | None], tuple[int | str | None, str, str]]


@pytest.fixture(scope="module")
def rows() -> Iterator[dict[str, str]]:
    """The rows of the document by what is wrong; a test may write its own anew."""
    text, _, table = DOCUMENT.read_text(encoding="utf-8").partition(HEAD)
    rows = {row.split(" | ")[0].removeprefix("| "): row for row in table.splitlines()}
    yield rows
    if "UPDATE_DOCS" in os.environ:
        table = "".join(f"{rows[d.what]}\n" for d in DAMAGES if d.what in rows)
        DOCUMENT.write_text(text + HEAD + table, encoding="utf-8")


@pytest.fixture
def cli(
    adapter: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Cli:
    """`python -m ... run` for a period: its exit code, and what it wrote to both outputs."""

    def run(period: str | None) -> tuple[int | str | None, str, str]:
        words = ["run", *(["--period", period] if period else [])]
        monkeypatch.setattr(sys, "argv", ["python -m", *words])
        monkeypatch.setattr(signal, "signal", lambda *_: None)  # Ctrl-C stays pytest's
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        return left.value.code, told.out, told.err

    return run


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.what)
def test_damage(
    damage: Damage, released: Project, source: Path, cli: Cli, rows: dict[str, str]
) -> None:
    champion, before = tracking.champion(released.params.model_name), history("runs")
    assert champion is not None
    damage.do(released)
    if damage.closes and os.access("data/source/flights", os.R_OK):
        pytest.skip("root may look into everything")
    files = released.files()

    code, out, err = cli(damage.period)
    assert code == EXIT_CODES[damage.run], err

    if damage.run == "refused":
        sentence = err.splitlines()[-1].removeprefix("error: ")
        result = None
        # But for why, where the orchestrator got so far as to begin.
        assert {name for name in released.files() if "/refused-" not in name} == files
    else:
        (result,) = [found for run_id, found in history("runs").items() if run_id not in before]
        assert result is not None
        assert result.period == (damage.period or "2013-12")
        assert f"{result.period} {result.status}: {result.reason}" in out
        sentence = checked(result)
    assert damage.says in sentence
    check_champion(released, source, champion, result)

    seen = row(damage, sentence)
    if "UPDATE_DOCS" in os.environ:
        rows[damage.what] = seen
    assert rows.get(damage.what) == seen, f"{DOCUMENT.name} differs: write it anew with {UPDATE}"


def checked(result: Result) -> str:
    """Check what a run left behind; return its sentence, without the verdict on its model."""
    workspace = Workspace(
        Run(run_id=result.run_id, period=result.period, folder=f"runs/{result.run_id}")
    )
    page = html.unescape(workspace.report.read_text(encoding="utf-8"))
    assert f"<p>{result.reason[0].upper()}{result.reason[1:]}.</p>" in page
    if result.status == "quarantined":
        assert workspace.quarantine.exists()
        return result.reason
    assert result.status in {"released", "kept_champion"}
    evaluation = read_json(workspace.evaluation, Evaluation)
    judged = [result.metrics, evaluation.champion_metrics or {}]
    assert all(math.isfinite(value) for metrics in judged for value in metrics.values())
    assert result.reason.startswith(evaluation.reason)
    return result.reason.removeprefix(evaluation.reason).removeprefix("; ") or "nothing"


def check_champion(project: Project, source: Path, before: Champion, result: Result | None) -> None:
    """The champion is that of before, or of a run that released it, and scores a good month."""
    now = tracking.champion(project.params.model_name)
    assert now is not None
    if result is not None:
        assert (result.champion_before, result.champion_after) == (before, now)
    if result is not None and result.status == "released":
        assert (now.version, now.run_id) == ("2", result.run_id)
    else:
        assert now == before
    good = project.params.model_copy(update={"source": str(source)})
    scored = pl.read_parquet(str(predict(good, "2013-07")))
    assert scored["version"].unique().to_list() == [now.version]
    assert scored["probability"].is_between(0, 1, closed="none").all()


def row(damage: Damage, sentence: str) -> str:
    """Return a row of the document, without what is another one in each project."""
    sentence = re.sub(r"(\d{4}-\d{2})-[0-9a-f]{8}", r"\1-…", sentence)
    assert "|" not in sentence
    return f"| {damage.what} | {damage.run} | {sentence} |"


def test_the_document_has_these_kinds(rows: dict[str, str]) -> None:
    if "UPDATE_DOCS" not in os.environ:
        kinds = [damage.what for damage in DAMAGES]
        assert list(rows) == kinds, f"{DOCUMENT.name} differs: write it anew with {UPDATE}"
