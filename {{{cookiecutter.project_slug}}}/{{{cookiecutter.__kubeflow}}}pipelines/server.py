"""The API of Kubeflow Pipelines, with time limits and retries."""

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import kfp_server_api as kfp
from urllib3 import Retry, make_headers
from urllib3.exceptions import HTTPError, MaxRetryError

from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput


class DeployError(RuntimeError):
    """The server did not do what it was asked, or a run did not succeed."""

    def __init__(self, sentence: str, status: int = 0, *, retry: bool = False) -> None:
        """Keep the sentence, the answer's status if there is one, and whether a retry may help."""
        super().__init__(sentence)
        self.status, self.retry = status, retry


class Server:
    """The API of Kubeflow Pipelines at the address in the environment.

    `kfp.Client` has no time limits and no retries, and waits forever for a run that was cancelled:
    this uses the generated client beneath it.
    """

    TRIES = 4
    TIMEOUT = 20.0  # seconds, to connect and between two parts of an answer
    PAUSE = 1.0  # seconds before the first retry; it doubles

    def __init__(self) -> None:
        """Read KFP_HOST and, where needed, KFP_TOKEN, KFP_NAMESPACE and KFP_CA; send nothing.

        Raises:
            BadInput: a variable is malformed, or KFP_HOST is missing.
        """
        self.host = os.environ.get("KFP_HOST", "").rstrip("/")
        self.namespace = os.environ.get("KFP_NAMESPACE") or None
        self._token = os.environ.get("KFP_TOKEN", "").strip()
        authority = os.environ.get("KFP_CA") or None
        if not re.match("https?://[^/]", self.host):
            raise BadInput(
                f"KFP_HOST is {self.host!r}: set it to the address of Kubeflow Pipelines, such as "
                "http://localhost:8080 while a port-forward to ml-pipeline-ui is up."
            )
        if not re.fullmatch(r"[!-~]*", self._token):
            raise BadInput("KFP_TOKEN is not a token: remove blanks and other odd characters.")
        if authority and not Path(authority).is_file():
            raise BadInput(f"KFP_CA is {authority!r}: there is no such file.")
        configuration = kfp.Configuration(host=self.host)
        configuration.ssl_ca_cert = authority
        self._use_proxy(configuration)
        if self._token:
            configuration.api_key = {"authorization": self._token}
            configuration.api_key_prefix = {"authorization": "Bearer"}
        configuration.retries = Retry(  # it does not repeat a POST that reached the server
            self.TRIES - 1,
            backoff_factor=self.PAUSE,
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

    def _use_proxy(self, configuration: Any) -> None:
        """Reach the server as HTTP_PROXY, HTTPS_PROXY and NO_PROXY say: the client reads none."""
        address = urlsplit(self.host)
        proxy = getproxies().get(address.scheme)
        if not proxy or proxy_bypass(address.netloc):
            return
        configuration.proxy = proxy
        named = urlsplit(proxy)
        if named.username:
            user = f"{unquote(named.username)}:{unquote(named.password or '')}"
            configuration.proxy_headers = make_headers(proxy_basic_auth=user)

    def ask(self, call: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """Return the answer to a request.

        Raises:
            DeployError: there is no answer, or it is an error.
        """
        try:
            answer = call(*given, **named, _request_timeout=(self.TIMEOUT, self.TIMEOUT))
        except kfp.ApiException as error:
            raise self._refused(error.status, error.body) from None
        except HTTPError as error:
            raise self._no_answer(error) from None
        if "json" not in self._client.last_response.getheader("Content-Type", ""):
            raise DeployError(f"{self.host} is not Kubeflow Pipelines: correct KFP_HOST.")
        return answer

    def find(
        self, name: str, kind: str, listing: Callable[..., Any], *given: Any, **named: Any
    ) -> list[Any]:
        """Return everything of this name that a listing has; `kind` is the field of its pages."""
        equals = {"operation": "EQUALS", "key": "name", "string_value": name}
        query = {"filter": json.dumps({"predicates": [equals]}), "page_size": 100}
        found: list[Any] = []
        token = None
        while token != "":
            page = self.ask(listing, *given, **named, **query, page_token=token)
            found += getattr(page, kind) or []
            token = page.next_page_token or ""
        return found

    def create(
        self, find: Callable[[], list[Any]], call: Callable[..., Any], *given: Any, **named: Any
    ) -> Any:
        """Return what `find` finds first; where that is nothing, create it.

        It looks again before each retry: the answer may have been lost after the server created it,
        or another deploy may have been first.
        """
        for attempt in range(self.TRIES):
            if found := find():
                return found[0]
            try:
                return self.ask(call, *given, **named)
            except DeployError as error:
                if attempt == self.TRIES - 1 or not (error.retry or error.status == 409):
                    raise
            time.sleep(self.PAUSE * 2**attempt)
        raise AssertionError

    def _no_answer(self, error: HTTPError) -> DeployError:
        cause = str(getattr(error, "reason", None) or error)
        if "CERTIFICATE_VERIFY_FAILED" in cause:
            hint = "its certificate is not trusted; set KFP_CA to the file of its authority"
        elif "SSL" in cause:
            hint = "it may not speak https; try http:// in KFP_HOST"
        elif "timed out" in cause:
            hint = f"nothing came for {self.TIMEOUT:g} seconds; it may be overloaded"
        else:
            hint = "check KFP_HOST and the port-forward"
        retried = isinstance(error, MaxRetryError)
        return DeployError(f"{self.host} does not answer: {hint}", retry=not retried)

    def _refused(self, status: int, body: bytes | str | None) -> DeployError:
        reason = message(body).replace(self._token or "\0", "***")[:300]
        if status == 401 or 300 <= status < 400:
            what = (
                f"wants a valid token ({status}): KFP_TOKEN is missing, wrong or expired; "
                "`kubectl create token` makes one, see docs/kubeflow.md"
            )
        elif status == 403:
            where = f" in the namespace {self.namespace}" if self.namespace else ""
            what = f"does not allow this{where} (403): {reason}"
        elif status >= 500:
            what = f"failed ({status}) at every attempt: {reason}"
        else:
            what = f"refused a request ({status}): {reason}"
        return DeployError(f"{self.host} {what}", status, retry=status >= 500 or status == 429)


def message(body: bytes | str | None) -> str:
    """Return the message of an error answer in one line."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else body or ""
    try:
        answer = json.loads(text)
        text = str(answer.get("message") or answer.get("error_message") or answer.get("error"))
    except (ValueError, AttributeError):
        text = re.sub("<[^>]*>", " ", text)  # the page of a proxy in front of the server
    return " ".join(text.split()) or "it does not say why"
