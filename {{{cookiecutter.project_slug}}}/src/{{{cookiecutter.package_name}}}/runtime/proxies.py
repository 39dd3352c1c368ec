"""A company's proxy, as environment variables name it: never between processes of this machine.

`ops/machine.mk` sets the same variables for all that it starts.
"""

import os

from .errors import redact

HERE = ("127.0.0.1", "localhost", "::1")

_NAMES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


def bypass(*hosts: str) -> None:
    """Reach this machine and `hosts` without a proxy, in this process and those that it starts.

    Programs read NO_PROXY in capital or in small letters, so each is set, to what it says or else
    the other. A SOCKS proxy is named as httpx and requests name it, not as desktops do.
    """
    given = {name: os.environ.get(name, "").strip() for name in ("NO_PROXY", "no_proxy")}
    for name, other in (("NO_PROXY", "no_proxy"), ("no_proxy", "NO_PROXY")):
        listed = given[name] or given[other]
        if listed != "*":  # with which no proxy is used at all
            there = [host.strip() for host in listed.split(",") if host.strip()]
            listed = ",".join(dict.fromkeys([*there, *HERE, *hosts]))
        os.environ[name] = listed
    for name in ("ALL_PROXY", "all_proxy"):
        if (address := os.environ.get(name, "")).startswith("socks://"):
            os.environ[name] = address.replace("socks", "socks5", 1)


def configured() -> dict[str, str]:
    """Return the proxies that the environment names, by variable, without their passwords."""
    found = {}
    for name in _NAMES:
        if address := os.environ.get(name):
            found[name] = redact(address if "://" in address else f"http://{address}")
    return found
