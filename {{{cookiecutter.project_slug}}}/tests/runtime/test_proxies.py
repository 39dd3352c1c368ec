"""A company's proxy: for other machines only, however the variables are spelt."""

import os
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module

import pytest
import requests

from {{{ cookiecutter.package_name }}}.runtime import proxies

from .servers import Server

OUTSIDE = "http://pipeline.example.invalid/"
"""An address that only a proxy could reach."""


def by_urllib(address: str) -> int:
    try:
        with urllib.request.build_opener().open(address) as answer:  # `urlopen` keeps its own
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


CLIENTS: dict[str, Callable[[str], int]] = {
    "urllib": by_urllib,
    "requests": lambda address: requests.get(address, timeout=10).status_code,
}
with suppress(ImportError):
    httpx = import_module("httpx")
    CLIENTS["httpx"] = lambda address: httpx.get(address).status_code  # as orchestrators ask

SPELT = [
    {"HTTP_PROXY": "{proxy}"},
    {"http_proxy": "{proxy}"},
    {"HTTP_PROXY": "{bare}"},
    {"HTTP_PROXY": "{proxy}", "NO_PROXY": ".example.com"},
    {"http_proxy": "{proxy}", "NO_PROXY": ".example.com", "no_proxy": "example.org"},
    {"HTTP_PROXY": "{proxy}", "no_proxy": "localhost"},
    {"ALL_PROXY": "{proxy}", "HTTP_PROXY": "{proxy}", "HTTPS_PROXY": "{proxy}"},
    {"HTTP_PROXY": "{proxy}", "all_proxy": "socks5h://127.0.0.1:9"},
    {"HTTP_PROXY": "{proxy}", "ALL_PROXY": "socks://127.0.0.1:9/"},
    {"HTTP_PROXY": "http://ada:hunter2@{bare}"},
]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("spelt", SPELT, ids=" ".join)
def test_this_machine_is_reached_without_the_proxy_and_others_with_it(
    spelt: dict[str, str],
    client: str,
    ours: Server,
    proxy: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in spelt.items():
        bare = proxy.address.removeprefix("http://")
        monkeypatch.setenv(name, value.format(proxy=proxy.address, bare=bare))
    proxies.bypass()
    for host in ("127.0.0.1", "localhost"):
        assert CLIENTS[client](f"http://{host}:{ours.server_port}/") == 200
    assert proxy.asked == []
    assert CLIENTS[client](OUTSIDE) == 503
    assert proxy.asked == [OUTSIDE]
    assert "hunter2" not in str(proxies.configured())
    kept = [spelt[name] for name in ("NO_PROXY", "no_proxy") if name in spelt]
    assert all(any(os.environ[n].startswith(k) for n in ("NO_PROXY", "no_proxy")) for k in kept)


def test_without_any_proxy_there_is_none(proxy: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.address)
    monkeypatch.setenv("NO_PROXY", "*")
    proxies.bypass("in-process.invalid.")
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == "*"


def test_it_adds_to_what_is_there_once(proxy: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "example.com, localhost")
    for _ in range(2):
        proxies.bypass()
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == "example.com,localhost,127.0.0.1,::1"
