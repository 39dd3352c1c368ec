"""What a server is told to watch for, and what it will say."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prefect import get_client
from prefect.blocks.notifications import SlackWebhook
from prefect.events.actions import SendNotification
from prefect.flows import Flow
from prefect.server.utilities.user_templates import render_user_template_sync

from {{{ cookiecutter.package_name }}}.alerts import PROJECT
from {{{ cookiecutter.package_name }}}.errors import BadInput

from .conftest import ROOT


@pytest.fixture
def deployed(server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module with the automations, on a server that has the deployments."""
    import flows.automations
    from flows.deadline import deadline
    from flows.training import backfill, training

    monkeypatch.chdir(tmp_path)  # where no .env is
    with get_client(sync_client=True) as client:
        every: list[tuple[Flow[..., Any], str]] = [
            (training, "monthly"),
            (backfill, "backfill"),
            (deadline, "daily"),
        ]
        for flow, name in every:
            client.create_deployment(client.create_flow(flow), name)
    return flows.automations


def there() -> dict[str, list[Any]]:
    """Return the actions of the server's automations, by name."""
    with get_client(sync_client=True) as client:
        return {found.name: found.actions for found in client.read_automations()}


def tell(deployed: Any, monkeypatch: pytest.MonkeyPatch, *urls: str) -> list[int]:
    """Name targets; return how many times each automation sends."""
    monkeypatch.setenv("ALERT_URLS", " ".join(urls))
    deployed.main()
    return [
        sum(isinstance(action, SendNotification) for action in actions)
        for actions in there().values()
    ]


def test_automations_follow_the_targets(
    deployed: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    urls = ("warning=json://localhost/hush", "critical=mailtos://ada:hush@localhost?to=a@b.org")
    assert tell(deployed, monkeypatch, *urls) == [0, 2, 2, 0, 2]
    first = there()
    assert tell(deployed, monkeypatch, *urls) == [0, 2, 2, 0, 2]
    assert there() == first
    block = SlackWebhook.load(f"{PROJECT}-2")
    assert isinstance(block, SlackWebhook)
    assert block.url.get_secret_value().startswith("mailtos://ada:hush@localhost")
    assert "hush" not in capsys.readouterr().out

    assert tell(deployed, monkeypatch, *urls[:1]) == [0, 1, 1, 0, 1]
    with pytest.raises(ValueError, match="Unable to find block"):
        SlackWebhook.load(f"{PROJECT}-2")
    assert tell(deployed, monkeypatch) == [0, 0]
    assert set(there()) == {f"{PROJECT}: a run is silent", f"{PROJECT}: a run does not start"}
    assert "tells nobody: ALERT_URLS is not set." in capsys.readouterr().out


def test_a_target_that_is_malformed_is_refused(
    deployed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput, match="entry 1 is no URL"):
        tell(deployed, monkeypatch, "nonsense")


@pytest.mark.parametrize(
    ("parameters", "name", "which", "words"),
    [
        ({"period": "2013-05"}, "calm-owl", "2013-05", " --param period=2013-05"),
        ({"period": None}, "2013-05-1a2b3c4d", "2013-05", ""),
        ({"period": None}, "calm-owl", "flow/monthly", ""),
        (
            {"first": "2013-04", "last": "2013-05"},
            *("calm-owl", "flow/monthly", " --param first=2013-04 --param last=2013-05"),
        ),
    ],
)
def test_the_server_says_which_run_it_is_and_how_to_run_it_again(
    parameters: dict[str, Any], name: str, which: str, words: str
) -> None:
    from flows.automations import FACTS, WHICH

    known = {
        "flow_run": SimpleNamespace(name=name, tags=["2013-05"], parameters=parameters),
        "flow": SimpleNamespace(name="flow"),
        "deployment": SimpleNamespace(name="monthly"),
    }
    assert render_user_template_sync(WHICH, known) == which
    facts = render_user_template_sync(FACTS.replace(" | ui_url", ".name"), known)
    assert facts.endswith(f"once mended: .venv/bin/prefect deployment run flow/monthly{words}")


def test_every_deployment_is_watched() -> None:
    import yaml

    from flows.automations import DEPLOYMENTS

    content = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    assert {name.partition("/")[2] for name in DEPLOYMENTS} == {
        deployment["name"] for deployment in content["deployments"]
    }
