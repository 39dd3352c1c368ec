"""Errors that a retry does not cure, and how an error is written in one line without secrets."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_UNREACHED = re.compile("Connect|Time(d)?[Oo]ut|Proxy|SSL|Retr(y|ies)|Protocol|Credentials")
"""How the exceptions of clients are called where a server is not reached."""


class BadInput(ValueError):
    """An input is wrong: a parameter, a period, an address. It is never retried.

    The message is one sentence that says what is wrong and what to do.
    """


class Unavailable(RuntimeError):
    """A service does not answer, or refuses. A retry may help.

    The message is one sentence that says which service, why, and what to do.
    """


@contextmanager
def exit_if_refused() -> Iterator[None]:
    """Print refused input as one sentence, and exit with 2, as every command does.

    A service that does not answer is one sentence, too, and the code is 1.
    """
    try:
        yield
    except BadInput as error:
        print(f"error: {redact(str(error))}", file=sys.stderr)
        sys.exit(2)
    except (ConnectionError, TimeoutError, Unavailable) as error:
        print(f"error: {redact(one_line(error))}", file=sys.stderr)
        sys.exit(1)


def one_line(error: BaseException) -> str:
    """Return the error's type and first line.

    The sentence alone for `BadInput` and `RuntimeError`: it is written for people.
    """
    name = type(error).__name__
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if first and isinstance(error, BadInput | RuntimeError):
        return first
    return f"{name}: {first}" if first else name


def redact(text: str) -> str:
    """Return `text` without the user and password of each address; a password may have an @."""
    return re.sub(r"//[^/\s]*@", "//", text)


def is_unavailable(error: BaseException) -> bool:
    """Return whether a client failed as its server was not reached, fails or refuses us.

    It goes by the names and attributes of their exceptions, so no client is imported for it.
    """
    status = _status(error)
    if status in (401, 403) or status >= 500:
        return True
    if any(_UNREACHED.search(kind.__name__) for kind in type(error).__mro__):
        return True
    cause = error.__cause__ or error.__context__
    return cause is not None and is_unavailable(cause)


def _status(error: Any) -> int:
    """Return the status of HTTP in an exception of a client, or 0."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
{% if cookiecutter.__registry == "mlflow" %}
    if type(error).__name__ == "RestException":  # MLflow, which repeats its server's answer
        return int(error.get_http_status_code())
    if said := re.search(r"failed with error code (\d{3})", str(error)):
        return int(said[1])
{% endif %}
    status = getattr(response, "status_code", None) or getattr(error, "status", None)
    return status if isinstance(status, int) else 0
