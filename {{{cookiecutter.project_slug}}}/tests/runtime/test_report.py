"""The result for machines and the page for people, on both branches."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

import {{{ cookiecutter.package_name }}} as package
from {{{ cookiecutter.package_name }}}.runtime import room
from {{{ cookiecutter.package_name }}}.runtime.registry import registry
from {{{ cookiecutter.package_name }}}.runtime.results import Result
from {{{ cookiecutter.package_name }}}.runtime.run.outcome import (
    completed_result,
    history,
    nothing_new,
    write_failed,
)
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import Run, RunDir

from .conftest import CHAIN, MAIN, REQUIRED, P, Project, V, copy_package, python
from .tracked import HAS_PAGE, logged, runs

HEADLINE = room.evaluation().HEADLINE
KEYS = {
    "schema_version",
    "run_id",
    "period",
    "status",
    "reason",
    "step",
    "orchestrator",
    "rows",
    "metrics",
    "champion_before",
    "champion_after",
    "data_version",
    "code_version",
    "tracker",
    "tracker_url",
    "seconds",
    "retries",
}


class Page(HTMLParser):
    """What a browser would make of a page: its elements and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(run: Run) -> Page:
    return Page(RunDir(run).report.read_text(encoding="utf-8"))


def quarantined(project: Project) -> Run:
    """Run the other branch, on data that lack a column."""
    project.deliver(MAIN, P[5], lambda rows: rows.drop(REQUIRED))
    return project.work(P[5])


# result.json


def test_the_result_of_a_release(released: Project) -> None:
    run = released.plan(P[4])
    content = json.loads(RunDir(run).result.read_bytes())
    assert set(content) == KEYS
    result = Result.model_validate(content)
    assert (result.run_id, result.period, result.status) == (run.run_id, P[4], "released")
    assert result.champion_before is None
    assert result.champion_after == registry.champion(released.params.model_name)
    assert set(result.rows) == {"ingested", "unlabelled", "trained", "scored"}
    assert result.rows["ingested"] == (
        result.rows["unlabelled"] + result.rows["trained"] + result.rows["scored"]
    )
    assert HEADLINE in result.metrics
    assert str(result.tracker_url).startswith("http") == HAS_PAGE
    assert list(result.seconds) == [*CHAIN, "all"]
    assert completed_result(run) == result
    assert [past.result for past in history("runs")] == [result]


def test_the_result_of_a_quarantine(released: Project) -> None:
    run = quarantined(released)
    content = json.loads(RunDir(run).result.read_bytes())
    assert set(content) == KEYS
    result = Result.model_validate(content)
    assert result.status == "quarantined"
    assert result.reason.endswith(f"{MAIN}.{REQUIRED}: the column is missing")
    assert result.champion_before == result.champion_after
    assert result.champion_after is not None
    assert result.champion_after.version == V[1]
    assert result.metrics == {}
    assert result.data_version is None


def test_the_result_of_a_failure(project: Project) -> None:
    run = project.work(P[4], last="ingest")
    assert completed_result(run) is None
    failed = write_failed(run, "none", OSError("\nno space left\nsee there\n"))
    assert (failed.status, failed.reason) == ("failed", "OSError: no space left")
    assert list(failed.seconds) == ["ingest"]
    assert [past.result for past in history("runs")] == [failed]
    assert completed_result(run) is None
    assert write_failed(run, "none", KeyError()).reason == "KeyError"


def test_what_fails_after_the_end_does_not_change_the_result(released: Project) -> None:
    run = released.plan(P[4])
    done = completed_result(run)
    assert done is not None
    assert write_failed(run, "none", OSError("afterwards")) == done == completed_result(run)


def test_nothing_new(released: Project) -> None:
    done = completed_result(released.plan(P[4]))
    assert done is not None
    result = nothing_new(done)
    assert result.status == "nothing_new"
    assert result.reason == f"{P[4]} is done: run {done.run_id} ended as released"
    assert result.champion_after == done.champion_after


# report.html


def test_the_page_of_a_release(released: Project) -> None:
    run = released.work(P[5])
    page, result = page_of(run), released.result(run)
    assert page.tags.count("svg") == page.tags.count("h3") > 0
    assert "script" not in page.tags
    ours = room.evaluation()
    better = "higher" if ours.HIGHER_IS_BETTER else "lower"
    assert f"{ours.HEADLINE_LABEL} decides about a release: {better} is better." in page.text
    assert "used for" in page.text
    shown = [run.run_id, f"{result.metrics[HEADLINE]:.4f}", P[2], f"champion, version {V[1]}"]
    assert all(text in page.text for text in [*shown, result.data_version or ""])


def test_the_page_of_a_quarantine(released: Project) -> None:
    page = page_of(quarantined(released))
    assert "svg" not in page.tags
    assert "meant for" in page.text
    assert "left out" not in page.text
    assert f"{MAIN}.{REQUIRED}: the column is missing" in page.text


@pytest.mark.parametrize("good", [True, False])
def test_names_from_the_source_are_text_on_the_page(released: Project, good: bool) -> None:
    """A file may have any name: this one would run in a browser."""
    period = P[4] if good else P[5]
    evil = released.delivered(MAIN, period).with_name("<img src=x onerror=alert(1)>.parquet")
    evil.write_bytes(b"not Parquet")
    run = released.work(P[5]) if good else quarantined(released)
    page = page_of(run)
    assert "img" not in page.tags
    assert "<img src=x onerror=alert(1)>.parquet is not readable as Parquet" in page.text


def test_the_tracker_has_the_page(released: Project) -> None:
    run = released.plan(P[4])
    (tracker_id,) = runs(released.params.model_name)
    found = logged(tracker_id)
    assert found.tags["run_id"] == run.run_id
    assert found.tags["status"] == "released"
    assert found.report == RunDir(run).report.read_text(encoding="utf-8")
    assert found.curves == {file.stem for file in Path(run.folder).glob("curves/*.csv")}
    metrics = released.result(run).metrics
    assert found.metrics == pytest.approx(metrics, abs=1e-12)


OTHER_FIGURES = """
former = figures


def figures(model, rows, predictions, slices, seed):
    drawn = former(model, rows, predictions, slices, seed)
    return {f"Redrawn {title}": figure for title, figure in drawn.items()}
"""


def test_the_report_of_a_finished_run_is_redrawn(released: Project) -> None:
    """After a change of the figures, by a process of its own, as after a commit."""
    run = released.plan(P[4])
    before, result = page_of(run), RunDir(run).result.read_bytes()
    copy = copy_package(released.folder / "code")
    with (copy / "plots.py").open("a", encoding="utf-8") as plots:
        plots.write(OTHER_FIGURES)
    done = python(copy.parent, "-m", package.__name__, "report", "--run", run.run_id)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"runs/{run.run_id}/report.html\n"
    after = page_of(run)
    assert after.text.count("Redrawn") == after.tags.count("h3") == before.tags.count("h3") > 0
    assert RunDir(run).result.read_bytes() == result
    assert released.plan(P[4]) == run
