"""Which Prefect server runs report to: the project decides, and a dead server is a sentence."""

from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings

from {{{ cookiecutter.package_name }}}.runtime.errors import Unavailable

from ops import local

from .servers import Server

NOWHERE = "http://ada:hunter2@127.0.0.1:9/api"


@pytest.mark.parametrize(
    ("status", "reason"), [(503, "503 Service Unavailable"), (200, "Failed to reach API")]
)
def test_a_server_that_answers_wrongly(status: int, reason: str) -> None:
    with Server(status) as server, temporary_settings({PREFECT_API_URL: f"{server.address}/api"}):
        with pytest.raises(Unavailable, match=reason):
            local.check()
        server.shutdown()


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        (".env", f"PREFECT_API_URL={NOWHERE}\n", "PREFECT_API_URL in .env"),
        ("prefect.toml", f'[api]\nurl = "{NOWHERE}"\n', "prefect.toml"),
        ("pyproject.toml", f'[tool.prefect.api]\nurl = "{NOWHERE}"\n', "pyproject.toml"),
        ("profiles.toml", "", "the profile in "),
    ],
)
def test_a_dead_server_is_a_sentence_that_says_what_names_it(
    file: str, content: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    Path(file).write_text(content)
    with temporary_settings({PREFECT_API_URL: NOWHERE}), pytest.raises(Unavailable) as raised:
        local.check()
    said = str(raised.value)
    assert f"the Prefect server http://127.0.0.1:9/api, which {named}" in said
    assert "Connection refused" in said
    assert "hunter2" not in said


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", NOWHERE)
    assert local.named_by(get_current_settings()) == "PREFECT_API_URL"
