"""Rules, dashboards and what they name: held against each other, and against the monitor."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from {{{ cookiecutter.package_name }}} import metrics

from .conftest import ROOT, Project

FOLDER = ROOT / "monitoring"
SEVERITIES = {"critical", "warning", "info"}
DASHBOARDS = sorted(FOLDER.glob("grafana/dashboards/*.json"))


def read(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def rules() -> list[dict[str, Any]]:
    return [rule for group in read("rules.yml")["groups"] for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}


def queries() -> dict[str, str]:
    """All queries, by where they are."""
    found = {f"rule {rule.get('alert', rule.get('record'))}": rule["expr"] for rule in rules()}
    for file in DASHBOARDS:
        for panel in json.loads(file.read_bytes())["panels"]:
            for target in panel["targets"]:
                found[f"{file.stem}: {panel['title']} {target['refId']}"] = target["expr"]
    return found


def test_all_that_is_named_is_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "in_use", lambda _name: None)
    told = {metric.name for metric in metrics.PipelineMetrics(project.params).collect()}
    assert len(told) > 20
    for where, query in queries().items():
        assert set(re.findall(r"\bpipeline_\w+", query)) <= told, where


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_to_do(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in SEVERITIES
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert anchor == name.lower()
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert name in headings


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_tested_both_ways(name: str) -> None:
    tests = [test for group in read("rules.test.yml")["tests"] for test in group["alert_rule_test"]]
    fires = {bool(test["exp_alerts"]) for test in tests if test["alertname"] == name}
    assert fires == {True, False}


def test_no_test_is_of_an_alert_that_is_gone() -> None:
    tests = [test for group in read("rules.test.yml")["tests"] for test in group["alert_rule_test"]]
    assert {test["alertname"] for test in tests} == set(ALERTS)


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_can_be_read(file: Path) -> None:
    dashboard = json.loads(file.read_bytes())
    assert dashboard["uid"] == file.stem
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    (source,) = read("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    for panel in panels:
        assert panel["title"], panel["id"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"] == {"type": source["type"], "uid": source["uid"]}
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]


def test_all_jobs_are_missed_when_they_are_gone() -> None:
    jobs = {job["job_name"] for job in read("prometheus.yml")["scrape_configs"]} - {"prometheus"}
    assert set(re.findall(r'absent\(up{job="(\w+)"}\)', ALERTS["ComponentDown"]["expr"])) == jobs
