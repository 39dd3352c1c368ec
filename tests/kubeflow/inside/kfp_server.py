"""A server with the API of Kubeflow Pipelines, over real HTTP, for the tests.

Its routes, their query parameters and the fields of what is sent and answered are read from the
package `kfp-server-api`, that is from KFP's own schema. Requests outside of the API are refused and
kept in `complaints`. Behind them are a few lists, and runs that advance whenever they are read.
"""

import email
import email.policy
import inspect
import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import uuid4

import kfp_server_api as kfp
import yaml
from google.protobuf.json_format import ParseDict, ParseError
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec, PlatformSpec

PAGE = 2  # a page never lists more, so that clients have to turn it
NATIVE: dict[str, type] = {"str": str, "bool": bool, "int": int, "float": float, "datetime": str}


@dataclass(frozen=True)
class Route:
    """One operation of the API."""

    name: str
    method: str
    path: re.Pattern[str]
    query: frozenset[str]
    body: str | None
    """The model that is sent."""
    answer: str


def read_routes(api: type) -> Iterator[Route]:
    """Read from the generated code what it would send."""
    for name, function in inspect.getmembers(api, inspect.isfunction):
        if not name.endswith("_with_http_info"):
            continue
        source = inspect.getsource(function)
        call = re.search(r"call_api\(\s*'(.+?)', '([A-Z]+)'.+?response_type='(\w+)'", source, re.S)
        assert call is not None, name
        query = re.findall(r"query_params\.append\(\('(\w+)'", source)
        sent = re.search(r"body_params = local_var_params\['(\w+)'\]", source)
        model = re.search(rf":type {sent[1]}: (\w+)", source) if sent else None
        yield Route(
            name.removesuffix("_with_http_info"),
            call[2],
            re.compile(re.sub(r"{\w+?}", "([^/]+)", call[1])),
            frozenset(query),
            model[1] if model else None,
            call[3],
        )


APIS = (
    kfp.HealthzServiceApi,
    kfp.PipelineServiceApi,
    kfp.PipelineUploadServiceApi,
    kfp.ExperimentServiceApi,
    kfp.RunServiceApi,
    kfp.RecurringRunServiceApi,
)
# A path without parameters goes before one with, as /pipelines/upload before /pipelines/{id}.
ROUTES = sorted((r for api in APIS for r in read_routes(api)), key=lambda r: r.path.groups)


class Refusal(Exception):  # noqa: N818 - an answer, which tests raise and expect
    """What the server answers instead."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def read(data: Any, kind: str, where: str) -> Any:
    """Return data as a value of the schema's type; refuse what does not fit."""
    if inner := re.fullmatch(r"(?:list\[|dict\(str, )(.+)[\])]", kind):
        assert isinstance(data, list | dict), where
        each = data.items() if isinstance(data, dict) else enumerate(data)
        made = {key: read(value, inner[1], f"{where}.{key}") for key, value in each}
        return made if isinstance(data, dict) else list(made.values())
    if kind == "object":
        return data
    if kind in NATIVE:
        if not isinstance(data, NATIVE[kind]):
            raise Refusal(400, f"{where}: {data!r} is no {kind}")
        return data
    model = getattr(kfp, kind)
    if not model.openapi_types:  # an enumeration
        if data not in model.allowable_values:
            raise Refusal(400, f"{where}: {data!r} is no {kind}")
        return data
    names = {json_name: name for name, json_name in model.attribute_map.items()}
    if not isinstance(data, dict) or (data.keys() - names.keys()):
        raise Refusal(400, f"{where}: {data!r} is no {kind}")
    values = {
        names[key]: read(value, model.openapi_types[names[key]], f"{where}.{key}")
        for key, value in data.items()
    }
    return model(**values)


def packed(value: Any) -> Any:
    """Leave out what is empty or false, as KFP does."""
    if isinstance(value, dict):
        return {key: packed(each) for key, each in value.items() if each}
    return [packed(each) for each in value] if isinstance(value, list) else value


def read_pipeline(content: bytes) -> list[Any]:
    """Return the documents of an upload, which must be a pipeline and what its platform needs."""
    try:
        documents = list(yaml.safe_load_all(content))
        for document, schema in zip(documents, (PipelineSpec, PlatformSpec), strict=False):
            ParseDict(document, schema())
        assert documents[0]["root"]["dag"]
    except (yaml.YAMLError, ParseError, LookupError, AssertionError) as error:
        raise Refusal(400, f"this is no pipeline: {error}") from error
    return documents


@dataclass(frozen=True)
class Request:
    """What came."""

    route: Route
    path: str
    query: dict[str, str]
    body: Any
    token: str | None

    @property
    def changes(self) -> bool:
        return self.route.method != "GET"


Fault = Callable[[Request], int | str]
"""The fault of a request: 0 none, a status, `hang`, or `lose`: it is done, the answer is lost."""


@dataclass
class Kfp:
    """A server's state, and its requests; the methods are named after the API's operations."""

    token: str = ""
    multi_user: bool = False
    outcome: str = "SUCCEEDED"
    """How runs end."""
    last_task: str = "report"
    """The last task that runs reach."""
    fault: Fault = lambda _: 0
    pipelines: list[Any] = field(default_factory=list)
    versions: list[Any] = field(default_factory=list)
    uploads: list[bytes] = field(default_factory=list)
    experiments: list[Any] = field(default_factory=list)
    runs: list[Any] = field(default_factory=list)
    recurring: list[Any] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    host: str = ""

    @property
    def changes(self) -> list[str]:
        """The requested operations that change something."""
        return [request.route.name for request in self.requests if request.changes]

    def answer(self, request: Request) -> Any:
        """Execute a request."""
        if self.token and request.token != f"Bearer {self.token}":
            raise Refusal(401, f"who is {request.token}?")
        match = request.route.path.fullmatch(request.path)
        assert match is not None
        given = [unquote(part) for part in match.groups()]
        if request.body is not None:
            given.append(request.body)
        with self.lock:
            return getattr(self, request.route.name)(*given, **request.query)

    def healthz_service_get_healthz(self) -> Any:
        return kfp.V2beta1GetHealthzResponse(multi_user=self.multi_user)

    def pipeline_service_create_pipeline(self, pipeline: Any) -> Any:
        pipeline.pipeline_id = str(uuid4())
        return self.add(self.pipelines, pipeline, pipeline.name)

    def upload_pipeline_version(self, content: bytes, name: str, pipelineid: str) -> Any:
        one(self.pipelines, pipelineid)
        spec, *_ = read_pipeline(content)
        version = kfp.V2beta1PipelineVersion(
            pipeline_id=pipelineid,
            pipeline_version_id=str(uuid4()),
            name=name,
            display_name=name,
            pipeline_spec=spec,
        )
        added = self.add(self.versions, version, name)
        self.uploads.append(content)
        return added

    def pipeline_service_get_pipeline_version(self, pipeline_id: str, version_id: str) -> Any:
        one(self.pipelines, pipeline_id)
        return one(self.versions, version_id)

    def experiment_service_create_experiment(self, experiment: Any) -> Any:
        experiment.experiment_id = str(uuid4())
        return self.add(self.experiments, experiment, experiment.display_name)

    def run_service_create_run(self, run: Any) -> Any:
        self.check(run)
        run.run_id, run.state = str(uuid4()), "PENDING"
        return self.add(self.runs, run)

    def run_service_get_run(self, run_id: str) -> Any:
        run = one(self.runs, run_id)
        run.state = self.outcome if run.state == "RUNNING" else "RUNNING"
        last = kfp.V2beta1PipelineTaskDetail(display_name=self.last_task, state=run.state)
        run.run_details = kfp.V2beta1RunDetails(task_details=[last])
        return run

    def recurring_run_service_create_recurring_run(self, recurring_run: Any) -> Any:
        self.check(recurring_run)
        if len(recurring_run.trigger.cron_schedule.cron.split()) not in (5, 6):
            raise Refusal(400, "Expected 5 to 6 fields")
        recurring_run.recurring_run_id = str(uuid4())
        recurring_run.status = f"{recurring_run.mode}D"
        return self.add(self.recurring, recurring_run)

    def recurring_run_service_delete_recurring_run(
        self, recurring_run_id: str, propagation_policy: str
    ) -> Any:
        assert propagation_policy in kfp.V2beta1DeletePropagationPolicy.allowable_values
        self.recurring.remove(one(self.recurring, recurring_run_id))
        return {}

    def add(self, kept: list[Any], new: Any, unique: str | None = None) -> Any:
        """Store an object."""
        new.created_at = datetime.now(UTC)
        if unique and unique in {each.display_name for each in kept}:
            raise Refusal(409, f"{unique} exists already")
        kept.append(new)
        return new

    def check(self, run: Any) -> None:
        """Check that the version of a run or recurring run exists, and its parameters too."""
        version = one(self.versions, run.pipeline_version_reference.pipeline_version_id)
        one(self.experiments, run.experiment_id)
        known = version.pipeline_spec["root"]["inputDefinitions"]["parameters"]
        if unknown := run.runtime_config.parameters.keys() - known.keys():
            raise Refusal(400, f"unknown parameters: {unknown}")

    def page(
        self,
        kept: str,
        response: str,
        *parents: str,
        filter: str = "{}",  # noqa: A002
        page_size: str = "20",
        namespace: str = "",
        **same: str,
    ) -> Any:
        """Return a page of the objects that match."""
        if self.multi_user and kept in ("pipelines", "experiments") and not namespace:
            raise Refusal(400, "a namespace is needed")
        first = int(same.pop("page_token", 0))
        wanted = same | {"pipeline_id": parents[0]} if parents else dict(same)
        for predicate in read(json.loads(filter), "V2beta1Filter", "filter").predicates or []:
            assert predicate.operation == "EQUALS"
            wanted[predicate.key] = predicate.string_value
        found = [
            each
            for each in getattr(self, kept)
            if all(
                value in (getattr(each, key, None), key == "name" and each.display_name)
                for key, value in wanted.items()
            )
            and namespace in ("", getattr(each, "namespace", None))
        ]
        after = first + min(int(page_size), PAGE)
        rest = str(after) if after < len(found) else None
        model = getattr(kfp, response)
        (listed,) = (name for name, kind in model.openapi_types.items() if "list[" in kind)
        return model(**{listed: found[first:after], "next_page_token": rest})

    def __post_init__(self) -> None:
        for operation, kept in {
            "pipeline_service_list_pipelines": "pipelines",
            "pipeline_service_list_pipeline_versions": "versions",
            "experiment_service_list_experiments": "experiments",
            "run_service_list_runs": "runs",
            "recurring_run_service_list_recurring_runs": "recurring",
        }.items():
            (route,) = (route for route in ROUTES if route.name == operation)
            setattr(self, operation, partial(self.page, kept, route.answer))


def one(kept: list[Any], wanted: str) -> Any:
    """Return what has this id."""
    ids = ("recurring_run_id", "run_id", "pipeline_version_id", "pipeline_id", "experiment_id")
    for each in kept:
        own = next(name for name in ids if name in each.openapi_types and getattr(each, name))
        if getattr(each, own) == wanted:
            return each
    raise Refusal(404, f"{wanted} not found")


class Handler(BaseHTTPRequestHandler):
    """From HTTP to the methods of `Kfp` and back."""

    state: Kfp

    def answer(self) -> None:
        try:
            request = self.understood()
            self.state.requests.append(request)
            wrong = self.state.fault(request)
            if wrong == "hang":
                self.state.closing.wait()
                return
            if isinstance(wrong, int) and wrong:
                self.say(wrong, {"message": f"a test refuses {request.token}"})
                return
            said = kfp.ApiClient().sanitize_for_serialization(self.state.answer(request))
            if wrong == "lose":
                return
            self.say(200, packed(said))
        except Refusal as refusal:
            self.say(refusal.status, {"error": str(refusal), "message": str(refusal)})

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = answer  # noqa: N815

    def say(self, status: int, said: Any) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if 300 <= status < 400:
            self.send_header("Location", "/login")
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    def understood(self) -> Request:
        """Check a request against the schema."""
        try:
            return self.parsed()
        except Refusal as refusal:
            self.state.complaints.append(f"{self.command} {self.path}: {refusal}")
            raise

    def parsed(self) -> Request:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query, strict_parsing=bool(url.query)))
        for route in ROUTES:
            if route.method == self.command and route.path.fullmatch(url.path):
                break
        else:
            raise Refusal(404, "no such path")
        if not hasattr(self.state, route.name):
            raise Refusal(501, "this server does not do that")
        if unknown := query.keys() - route.query:
            raise Refusal(400, f"no such query parameters: {unknown}")
        kind = self.headers.get("Content-Type", "")
        body: Any = None
        if route.body:
            body = read(json.loads(content), route.body, route.body)
        elif "upload" in route.name:
            body = uploaded(kind, content)
        return Request(route, url.path, query, body, self.headers.get("Authorization"))

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


def uploaded(kind: str, content: bytes) -> bytes:
    """Return the file of a form."""
    head = f"Content-Type: {kind}\r\n\r\n".encode()
    form = email.message_from_bytes(head + content, policy=email.policy.HTTP)
    for part in form.iter_parts():
        name = part.get_filename() or ""
        if part.get_param("name", header="content-disposition") == "uploadfile":
            if not name.endswith((".yaml", ".yml")):
                raise Refusal(400, f"{name!r} is no YAML")
            return bytes(part.get_payload(decode=True))
    raise Refusal(400, "no uploadfile")


@contextmanager
def serving() -> Iterator[Kfp]:
    """Serve on a free port; afterwards, check that each request was in KFP's API."""
    state = Kfp()
    handler = type("Bound", (Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    state.host = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.02))
    thread.start()
    try:
        yield state
    finally:
        state.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
    assert state.complaints == []


def main(outcome: str) -> None:
    """Serve a cluster that wants a token until the input ends; print its address."""
    with serving() as state:
        state.token, state.outcome = "token-of-the-cluster", outcome
        print(state.host, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
