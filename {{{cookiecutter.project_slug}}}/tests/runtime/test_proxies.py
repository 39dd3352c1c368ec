"""A company's proxy: for other machines only, however the variables are spelt."""

import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from threading import Thread

import pytest
import requests

from {{{ cookiecutter.package_name }}}.runtime import proxies

NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
OUTSIDE = "http://pipeline.example.invalid/"
"""An address that only a proxy could reach."""


class Server(ThreadingHTTPServer):
    """A server of this machine, or a proxy: it answers with a status, and counts the requests."""

    def __init__(self, status: int) -> None:
        self.status, self.asked = status, list[str]()
        super().__init__(("127.0.0.1", 0), Answering)
        Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answering(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def ours() -> Iterator[Server]:
    with Server(200) as server:
        yield server
        server.shutdown()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in NAMES:
        monkeypatch.setenv(name, "")  # restored afterwards, whatever `bypass` sets
        monkeypatch.setenv(name.lower(), "")
        del os.environ[name], os.environ[name.lower()]
    with Server(503) as server:
        yield server
        server.shutdown()


def by_urllib(address: str) -> int:
    try:
        with urllib.request.build_opener().open(address) as answer:  # `urlopen` keeps its own
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


CLIENTS: dict[str, Callable[[str], int]] = {
    "urllib": by_urllib,
    "requests": lambda address: requests.get(address, timeout=10).status_code,  # as MLflow asks
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
