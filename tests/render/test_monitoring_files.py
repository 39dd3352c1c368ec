"""Rules, their tests and dashboards agree with each other, the exporter and the documents."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.projects import ORCHESTRATORS

SEVERITIES = {"critical", "warning", "info"}


class Monitoring:
    """The folder `ops/monitoring` of a rendered project."""

    def __init__(self, project: Path) -> None:
        """Read the rules."""
        self.project = project
        self.folder = project / "ops/monitoring"
        self.dashboards = sorted(self.folder.glob("grafana/dashboards/*.json"))
        groups = self.read("rules.yml")["groups"]
        self.rules: list[dict[str, Any]] = [rule for group in groups for rule in group["rules"]]
        self.alerts = {rule["alert"]: rule for rule in self.rules if "alert" in rule}

    def read(self, name: str) -> Any:
        return yaml.safe_load((self.folder / name).read_text(encoding="utf-8"))

    def queries(self) -> dict[str, str]:
        """Return all queries, by where they are."""
        found = {
            f"rule {rule.get('alert', rule.get('record'))}": rule["expr"] for rule in self.rules
        }
        for rule in self.alerts.values():
            found[f"summary of {rule['alert']}"] = rule["annotations"]["summary"]
        for file in self.dashboards:
            dashboard = json.loads(file.read_bytes())
            for variable in dashboard.get("templating", {"list": []})["list"]:
                found[f"{file.stem}: ${variable['name']}"] = variable["definition"]
                assert variable["query"]["query"] == variable["definition"]
            for panel in dashboard["panels"]:
                for target in panel["targets"]:
                    found[f"{file.stem}: {panel['title']} {target['refId']}"] = target["expr"]
        return found

    def exported(self) -> set[str]:
        """Return the names of the metrics that the exporter lists."""
        (file,) = self.project.glob("src/*/runtime/monitor/run_metrics.py")
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "METRICS":
                return set(ast.literal_eval(node.value))
        raise AssertionError(f"{file} has no METRICS")


@pytest.fixture(scope="module", params=ORCHESTRATORS)
def monitoring(request: pytest.FixtureRequest, by_orchestrator: dict[str, Path]) -> Monitoring:
    return Monitoring(by_orchestrator[request.param])


def test_every_metric_in_a_query_is_exported(monitoring: Monitoring) -> None:
    exported = monitoring.exported()
    assert len(exported) > 20
    for where, query in monitoring.queries().items():
        assert set(re.findall(r"\bpipeline_\w+", query)) <= exported, where


def test_every_recorded_series_is_used(monitoring: Monitoring) -> None:
    recorded = {rule["record"] for rule in monitoring.rules if "record" in rule}
    queries = "\n".join(monitoring.queries().values())
    assert set(re.findall(r"\bpipeline:[\w:]+", queries)) == recorded


def test_an_alert_says_what_to_do(monitoring: Monitoring) -> None:
    for name, rule in monitoring.alerts.items():
        assert rule["labels"]["severity"] in SEVERITIES
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert anchor == name.lower()
        text = (monitoring.project / page).read_text(encoding="utf-8")
        assert name in re.findall(r"^#+ (.+)$", text, re.MULTILINE)


def test_an_alert_is_tested_both_ways(monitoring: Monitoring) -> None:
    groups = monitoring.read("rules.test.yml")["tests"]
    tests = [test for group in groups for test in group["alert_rule_test"]]
    assert {test["alertname"] for test in tests} == set(monitoring.alerts)
    for name in monitoring.alerts:
        fires = {bool(test["exp_alerts"]) for test in tests if test["alertname"] == name}
        assert fires == {True, False}, name


def test_a_dashboard_can_be_read(monitoring: Monitoring) -> None:
    (source,) = monitoring.read("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    assert len(monitoring.dashboards) > 1
    for file in monitoring.dashboards:
        dashboard = json.loads(file.read_bytes())
        assert dashboard["uid"] == file.stem
        panels = dashboard["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
        for panel in panels:
            assert panel["title"], panel["id"]
            assert panel["description"].endswith("."), panel["title"]
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
            assert panel["datasource"] == {"type": source["type"], "uid": source["uid"]}
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24, panel["title"]


def test_variables_of_a_dashboard_are_defined(monitoring: Monitoring) -> None:
    for file in monitoring.dashboards:
        dashboard = json.loads(file.read_bytes())
        defined = {
            variable["name"] for variable in dashboard.get("templating", {"list": []})["list"]
        }
        texts = [panel[part] for panel in dashboard["panels"] for part in ("title", "description")]
        assert set(re.findall(r"\$(\w+)", "\n".join(texts))) == defined, file.name


def test_a_job_that_is_no_longer_scraped_is_missed(monitoring: Monitoring) -> None:
    jobs = {job["job_name"] for job in monitoring.read("prometheus.yml")["scrape_configs"]}
    down = monitoring.alerts["ComponentDown"]["expr"]
    assert set(re.findall(r'absent\(up{job="(\w+)"}\)', down)) == jobs - {"prometheus"}
