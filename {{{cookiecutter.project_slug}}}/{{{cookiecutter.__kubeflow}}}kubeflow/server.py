"""The API of Kubeflow Pipelines, as `submit` talks to it: with time limits and patience."""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kfp_server_api as kfp
import typer
from urllib3 import Retry
from urllib3.exceptions import HTTPError, MaxRetryError

from {{{ cookiecutter.package_name }}}.errors import BadInput

NAME = "{{{ cookiecutter.project_slug }}}"


class DeployError(RuntimeError):
    """The deploy did not succeed."""

    def __init__(self, sentence: str, status: int = 0, *, again: bool = False) -> None:
        """Say why.

        Args:
            sentence: what went wrong and what to do.
            status: that of the server's answer; 0: there was none.
            again: the same request may succeed when it is sent again.
        """
        super().__init__(sentence)
        self.status = status
        self.again = again


@contextmanager
def leave_in_a_sentence() -> Iterator[None]:
    """End a command that goes wrong with one sentence; by 2 for bad input, by 1 for the rest."""
    try:
        yield
    except (BadInput, DeployError) as error:
        typer.echo(f"error: {str(error).rstrip('.')}.", err=True)
        sys.exit(2 if isinstance(error, BadInput) else 1)


class Server:
    """The API of Kubeflow Pipelines, with a limit to each request, and some patience.

    `kfp.Client` sets no time limits, tries nothing again, and waits on for a run that was
    cancelled: so this uses the generated API beneath it.
    """

    TRIES = 4

    def __init__(
        self,
        host: str,
        token: str = "",
        namespace: str = "",
        ca: str = "",
        time_zone: str = "UTC",
        *,
        seconds: float = 20,
        pause: float = 1,
    ) -> None:
        """Keep how to reach it; nothing is sent yet.

        Args:
            host: its address, such as http://localhost:8080.
            token: the bearer token, if it wants one.
            namespace: yours, where an installation has many users.
            ca: a file with the authority of its certificate.
            time_zone: in which it reads crons.
            seconds: how long to wait for an answer.
            pause: between tries, in seconds; it doubles.

        Raises:
            BadInput: the address, the token or the file is none.
        """
        if not re.match("https?://[^/]", host):
            raise BadInput(
                f"KFP_HOST is {host!r}: set it to the address of Kubeflow Pipelines, such as "
                "http://localhost:8080 while a port-forward to ml-pipeline-ui is up."
            )
        if not re.fullmatch(r"[!-~]*", token):
            raise BadInput("KFP_TOKEN is no token: it has blanks, or other odd characters.")
        if ca and not Path(ca).is_file():
            raise BadInput(f"KFP_CA is {ca!r}: there is no such file.")
        self.host = host.rstrip("/")
        self.namespace = namespace or None
        self.time_zone = time_zone
        self._token, self._seconds, self._pause = token, seconds, pause
        configuration = kfp.Configuration(host=self.host)
        configuration.ssl_ca_cert = ca or None
        if token:
            configuration.api_key = {"authorization": token}
            configuration.api_key_prefix = {"authorization": "Bearer"}
        # Of requests that reached the server, it repeats those alone that may come twice: no POST.
        configuration.retries = Retry(
            self.TRIES - 1,
            backoff_factor=pause,
            redirect=False,
            status_forcelist=(429, 500, 502, 503, 504),
            raise_on_status=False,
            respect_retry_after_header=False,  # it may be hours
        )
        self._client: Any = kfp.ApiClient(configuration)
        self.health: Any = kfp.HealthzServiceApi(self._client)
        self.pipelines: Any = kfp.PipelineServiceApi(self._client)
        self.uploads: Any = kfp.PipelineUploadServiceApi(self._client)
        self.experiments: Any = kfp.ExperimentServiceApi(self._client)
        self.runs: Any = kfp.RunServiceApi(self._client)
        self.recurring_runs: Any = kfp.RecurringRunServiceApi(self._client)

    @classmethod
    def of_environment(cls, **limits: float) -> "Server":
        """Return the server that the environment names; how to reach it, that is.

        Args:
            limits: `seconds` and `pause`, as above.

        Raises:
            BadInput: a variable is wrong, or KFP_HOST is missing.
        """
        get = os.environ.get
        return cls(
            get("KFP_HOST", ""),
            get("KFP_TOKEN", "").strip(),
            get("KFP_NAMESPACE", ""),
            get("KFP_CA", ""),
            get("KFP_TIME_ZONE", "") or "UTC",
            **limits,
        )

    def ask(self, call: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """Make a request and return the answer.

        Raises:
            DeployError: there is no answer, or a bad one.
        """
        limit = (self._seconds, self._seconds)  # to connect, and between two parts of the answer
        try:
            answer = call(*given, **named, _request_timeout=limit)
        except kfp.ApiException as error:
            raise self._refused(error.status, error.body) from None
        except HTTPError as error:
            raise self._no_answer(error) from None
        if "json" not in self._client.last_response.getheader("Content-Type", ""):
            raise DeployError(
                f"{self.host} answers, but not as Kubeflow Pipelines does: correct KFP_HOST."
            )
        return answer

    def find(
        self, name: str, kind: str, listing: Callable[..., Any], *given: Any, **named: Any
    ) -> list[Any]:
        """Return all of this name that a listing has, over all its pages.

        Args:
            name: what to look for.
            kind: the field of a page with what it lists.
            listing: the operation.
            given: what it takes.
            named: the same, by name.
        """
        equals = {"operation": "EQUALS", "key": "name", "string_value": name}
        filtered = json.dumps({"predicates": [equals]})
        found: list[Any] = []
        token = None
        while token != "":
            more = {"filter": filtered, "page_size": 100, "page_token": token}
            page = self.ask(listing, *given, **named, **more)
            found += getattr(page, kind) or []
            token = page.next_page_token or ""
        return found

    def create(
        self, find: Callable[[], list[Any]], call: Callable[..., Any], *given: Any, **named: Any
    ) -> Any:
        """Return the first that `find` finds; where there is none yet, create it.

        An answer may be lost on its way, and another deploy may come first: so it looks again
        before each try.
        """
        for tries_left in reversed(range(self.TRIES)):
            if found := find():
                return found[0]
            try:
                return self.ask(call, *given, **named)
            except DeployError as error:
                if not tries_left or not (error.again or error.status == 409):
                    raise
            time.sleep(self._pause * 2 ** (self.TRIES - 1 - tries_left))
        raise AssertionError

    def _no_answer(self, error: HTTPError) -> DeployError:
        tried = isinstance(error, MaxRetryError)
        cause = str(getattr(error, "reason", None) or error)
        if "CERTIFICATE_VERIFY_FAILED" in cause:
            hint = "its certificate is not trusted; set KFP_CA to the file of its authority"
        elif "SSL" in cause:
            hint = "it may not speak https; try http:// in KFP_HOST"
        elif "timed out" in cause:
            hint = f"there was nothing for {self._seconds:g} seconds; it may be overloaded"
        else:
            hint = "see whether KFP_HOST is right, and the port-forward up"
        return DeployError(f"{self.host} does not answer: {hint}", again=not tried)

    def _refused(self, status: int, body: Any) -> DeployError:
        said = message(body).replace(self._token or "\0", "***")[:300]
        if status == 401 or 300 <= status < 400:
            sentence = (
                f"{self.host} wants a valid token ({status}): KFP_TOKEN is missing, wrong or "
                f"expired; `kubectl create token` makes one, see docs/kubeflow.md"
            )
        elif status == 403:
            where = f" in the namespace {self.namespace}" if self.namespace else ""
            sentence = f"{self.host} does not allow this{where} (403): {said}"
        elif status >= 500:
            sentence = f"{self.host} failed ({status}), again and again: {said}"
        else:
            sentence = f"{self.host} refused a request ({status}): {said}"
        return DeployError(sentence, status, again=status >= 500 or status == 429)


def message(body: Any) -> str:
    """Return what the server said in an answer that is an error, in one line."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    try:
        said = json.loads(text)
        text = str(said.get("message") or said.get("error_message") or said.get("error") or text)
    except (ValueError, AttributeError):
        text = re.sub("<[^>]*>", " ", text)  # a page of a proxy before it
    return " ".join(text.split()) or "it does not say why"
