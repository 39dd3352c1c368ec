"""The result for machines and the page for people, on both branches."""

import json
from html.parser import HTMLParser

import pytest

from {{{ cookiecutter.package_name }}} import tracking
from {{{ cookiecutter.package_name }}}.results import (
    Result,
    finished,
    history,
    nothing_new,
    write_failed,
)
from {{{ cookiecutter.package_name }}}.steps import quarantine, report
from {{{ cookiecutter.package_name }}}.workspace import (
    Run,
    Workspace,
    read_json,
)

from .conftest import CHAIN, Project

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
    return Page(Workspace(run).report.read_text(encoding="utf-8"))


def quarantined(project: Project) -> Run:
    """Run the other branch, on data that lack a column."""
    project.deliver("flights", "2013-05", lambda rows: rows.drop("dest"))
    run = project.work("2013-05", last="validate")
    quarantine.quarantine(run)
    report.report(run, "none")
    return run


def test_the_result_of_a_release(released: Project) -> None:
    run = released.plan("2013-04")
    content = json.loads(Workspace(run).result.read_bytes())
    assert set(content) == KEYS
    result = Result.model_validate(content)
    assert (result.run_id, result.period, result.status) == (run.run_id, "2013-04", "released")
    assert result.champion_before is None
    assert result.champion_after == tracking.champion(released.params.model_name)
    assert set(result.rows) == {"ingested", "cancelled", "trained", "scored"}
    assert result.rows["ingested"] == (
        result.rows["cancelled"] + result.rows["trained"] + result.rows["scored"]
    )
    assert set(result.metrics) == {"auc", "average_precision", "log_loss", "brier"}
    assert result.tracker_url is not None
    assert result.tracker_url.startswith("http")
    assert list(result.seconds) == [*CHAIN, "all"]
    assert finished(run) == result
    assert history("runs") == {run.run_id: result}


def test_the_result_of_a_run_that_kept_the_champion(released: Project) -> None:
    released.tune(evaluate__min_gain=0.9)
    run = released.work("2013-05")
    result = read_json(Workspace(run).result, Result)
    assert result.status == "kept_champion"
    assert result.champion_after == result.champion_before is not None
    assert "not better than the champion" in result.reason


def test_the_result_of_a_quarantine(released: Project) -> None:
    run = quarantined(released)
    content = json.loads(Workspace(run).result.read_bytes())
    assert set(content) == KEYS
    result = Result.model_validate(content)
    assert result.status == "quarantined"
    assert result.reason.endswith("flights.dest: the column is missing")
    assert result.champion_before == result.champion_after
    assert result.champion_after is not None
    assert result.champion_after.version == "1"
    assert result.metrics == {}
    assert result.data_version is None


def test_the_page_of_a_release(released: Project) -> None:
    run = released.plan("2013-04")
    page = page_of(run)
    assert page.tags.count("svg") == 6
    plots = ("ROC", "Precision", "Calibration", "Importance", "AUC by carrier", "AUC by origin")
    assert all(title in page.text for title in plots)
    result = read_json(Workspace(run).result, Result)
    for shown in (run.run_id, f"{result.metrics['auc']:.4f}", "2013-01", result.data_version):
        assert str(shown) in page.text
    assert "script" not in page.tags


def test_the_page_shows_the_champion_beside_the_challenger(released: Project) -> None:
    run = released.work("2013-05")
    assert "champion, version 1" in page_of(run).text


def test_the_page_of_a_quarantine(released: Project) -> None:
    page = page_of(quarantined(released))
    assert "svg" not in page.tags
    assert "flights.dest: the column is missing" in page.text


@pytest.mark.parametrize("good", [True, False])
def test_what_comes_with_the_data_is_text_on_the_page(released: Project, good: bool) -> None:
    """A file may have any name: here one that would run in a browser."""
    month = "2013-04" if good else "2013-05"
    evil = released.delivered("flights", month).with_name("<img src=x onerror=alert(1)>.parquet")
    evil.write_bytes(b"not Parquet")
    run = released.work("2013-05") if good else quarantined(released)
    page = page_of(run)
    assert "img" not in page.tags
    assert "<img src=x onerror=alert(1)>.parquet is not readable as Parquet" in page.text


def test_the_page_is_kept_by_the_tracker(released: Project) -> None:
    import mlflow

    run = released.plan("2013-04")
    (found,) = mlflow.search_runs(
        search_all_experiments=True,
        filter_string=f"tags.run_id = '{run.run_id}'",
        output_format="list",
    )
    assert found.data.tags["status"] == "released"
    kept = mlflow.artifacts.load_text(f"{found.info.artifact_uri}/report.html")
    assert kept == Workspace(run).report.read_text(encoding="utf-8")
    assert found.data.metrics["auc"] == read_json(Workspace(run).result, Result).metrics["auc"]


def test_a_failed_run_is_not_finished(project: Project) -> None:
    run = project.work("2013-04", last="ingest")
    assert finished(run) is None
    failed = write_failed(run, "none", OSError("\nno space left\nsee there\n"))
    assert (failed.status, failed.reason) == ("failed", "OSError: no space left")
    assert list(failed.seconds) == ["ingest"]
    assert history("runs") == {run.run_id: failed}
    assert finished(run) is None


def test_what_fails_after_the_end_changes_nothing(released: Project) -> None:
    run = released.plan("2013-04")
    done = finished(run)
    assert done is not None
    assert write_failed(run, "none", OSError("too late")) == done == finished(run)


def test_an_error_without_words(project: Project) -> None:
    assert write_failed(project.plan("2013-04"), "none", KeyError()).reason == "KeyError"


def test_nothing_new(released: Project) -> None:
    done = finished(released.plan("2013-04"))
    assert done is not None
    result = nothing_new(done)
    assert result.status == "nothing_new"
    assert result.reason == f"2013-04 is done: run {done.run_id} ended as released"
    assert result.champion_after == done.champion_after
