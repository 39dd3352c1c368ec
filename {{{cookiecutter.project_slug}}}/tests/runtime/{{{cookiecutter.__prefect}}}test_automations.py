"""The automations on the server: what they watch for, and what they send."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from prefect import get_client
from prefect.automations import Automation
from prefect.blocks.notifications import SlackWebhook
from prefect.events.actions import SendNotification
from prefect.server.utilities.user_templates import render_user_template_sync

from {{{ cookiecutter.package_name }}}.runtime import PROJECT
from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput

from .conftest import ROOT, P

URLS = ("warning=json://localhost/hush", "critical=mailtos://ada:hush@localhost?to=a@b.org")


@pytest.fixture
def automations(server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module with the automations, in a folder without `.env`."""
    import flows.automations

    monkeypatch.chdir(tmp_path)
    return flows.automations


def save(automations: Any, monkeypatch: pytest.MonkeyPatch, *urls: str) -> dict[str, int]:
    """Save the automations for these targets; return how many notifications each sends."""
    monkeypatch.setenv("ALERT_URLS", " ".join(urls))
    automations.main()
    with get_client(sync_client=True) as client:
        saved = client.read_automations()
    return {
        automation.name.removeprefix(f"{PROJECT}: "): sum(
            isinstance(action, SendNotification) for action in automation.actions
        )
        for automation in saved
    }


def test_automations_follow_the_targets(
    automations: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert save(automations, monkeypatch, *URLS) == {
        "a run is silent": 0,
        "a run does not start": 0,
        "a run is dead": 2,
        "a run is late": 2,
        "a run takes too long": 2,
    }
    block = SlackWebhook.load(f"{PROJECT}-2")
    assert isinstance(block, SlackWebhook)
    assert block.url.get_secret_value().startswith("mailtos://ada:hush@localhost")
    assert "hush" not in capsys.readouterr().out

    assert sum(save(automations, monkeypatch, *URLS[:1]).values()) == 3
    with pytest.raises(ValueError, match="Unable to find block"):
        SlackWebhook.load(f"{PROJECT}-2")
    assert sum(save(automations, monkeypatch).values()) == 0
    assert "alerts nobody: ALERT_URLS is not set." in capsys.readouterr().out


def test_saving_the_same_automations_updates_none(
    automations: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An updated automation would forget the runs that it waits for."""
    before = save(automations, monkeypatch, *URLS)
    for change in ("create", "update"):
        monkeypatch.setattr(Automation, change, lambda automation: pytest.fail(automation.name))
    assert save(automations, monkeypatch, *URLS) == before


def test_a_malformed_target_is_refused(automations: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="entry 1 is not a URL"):
        save(automations, monkeypatch, "nonsense")


@pytest.mark.parametrize(
    ("labels", "parameters", "which", "words"),
    [
        ({}, {"period": P[5]}, P[5], f" --param period={P[5]}"),
        ({"period": P[5]}, {"period": None}, P[5], ""),
        ({}, {"period": None}, "flow", ""),
        (
            {},
            {"first": P[4], "last": P[5]},
            *("flow", f" --param first={P[4]} --param last={P[5]}"),
        ),
    ],
)
def test_an_alert_names_the_run_and_the_command_that_resumes_it(
    labels: dict[str, str], parameters: dict[str, Any], which: str, words: str
) -> None:
    from flows.automations import FACTS, WHICH

    known = {
        "flow_run": SimpleNamespace(name="calm-owl", labels=labels, parameters=parameters),
        "flow": SimpleNamespace(name="flow"),
        "deployment": SimpleNamespace(name="scheduled"),
    }
    assert render_user_template_sync(WHICH, known) == which
    facts = render_user_template_sync(FACTS.replace(" | ui_url", ".name"), known)
    command = ".venv/bin/prefect deployment run flow/scheduled"
    assert facts.endswith(f"to resume: {command}{words}")


def test_every_deployment_is_watched() -> None:
    for deployment in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]:
        assert PROJECT in deployment["tags"]
