"""A stand-in for W&B's server: it keeps what an upload of wandb 0.30 sends."""
# ruff: noqa: N802, N815 - methods are named as the operations that wandb asks for

import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

Answer = dict[str, Any]


class WandbServer(ThreadingHTTPServer):
    """Runs by id, each with its configuration, summary, history and files; artifacts by name."""

    def __init__(self, refused: str = "") -> None:
        self.refused = refused
        """The name of a file that is not taken."""
        self.runs: dict[str, Answer] = {}
        self.artifacts: dict[str, Answer] = {}
        self.files: dict[str, bytes] = {}
        """What was sent to the addresses that the server gave for files."""
        super().__init__(("127.0.0.1", 0), Handler)
        Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def upload(self, name: str) -> Answer:
        """Return the address for the content of a file."""
        return {"id": name, "uploadUrl": f"{self.address}/upload/{name}", "uploadHeaders": []}


class Handler(BaseHTTPRequestHandler):
    server: WandbServer

    def do_GET(self) -> None:
        self.answer({})

    def do_PUT(self) -> None:
        name = self.path.removeprefix("/upload/")
        content = self.content()
        if name == self.server.refused:
            return self.send_error(403)
        self.server.files[name] = content
        return self.answer({})

    def do_POST(self) -> None:
        asked = json.loads(self.content())
        if found := re.fullmatch(r"/files/ada/[^/]+/([^/]+)/file_stream", self.path):
            self.stream(self.server.runs[found[1]], asked)
            return self.answer({})
        name = re.search(r"(?:query|mutation) (\w+)", asked["query"])
        assert name is not None
        variables = asked.get("variables") or {}
        reply = getattr(self, f"on_{name[1]}", None)
        return self.answer({"data": reply(**variables) if reply else {}})

    def content(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def answer(self, answer: Answer) -> None:
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    @staticmethod
    def stream(run: Answer, sent: Answer) -> None:
        """Keep lines of history at their offset; a summary replaces the one before, as at W&B."""
        for file, lines in sent.get("files", {}).items():
            if file == "wandb-history.jsonl":
                run["history"][lines["offset"] :] = map(json.loads, lines["content"])
            elif file == "wandb-summary.json":
                run["summary"] = json.loads(lines["content"][-1])
        if "exitcode" in sent:
            run["exits"].append(sent["exitcode"])

    def on_GetViewer(self, **_: Any) -> Answer:
        teams = {"edges": [{"node": {"name": "ml"}}]}
        user = {"id": "u", "username": "ada", "name": "Ada", "email": "ada@example.com"}
        more = {"admin": False, "flags": None, "entity": "ada", "deletedAt": None}
        return {"viewer": {**user, **more, "apiKeys": {"edges": []}, "teams": teams}}

    on_Viewer = on_GetViewer

    def on_ServerFeaturesQuery(self, **_: Any) -> Answer:
        return {"serverInfo": {"features": []}}

    def on_UpsertBucket(self, **given: Any) -> Answer:
        name = given["name"]
        new = name not in self.server.runs
        empty = {"config": "{}", "summary": {}, "history": [], "exits": []}
        run = self.server.runs.setdefault(name, empty)
        run["config"] = given["config"] or run["config"]
        project = {"id": "p", "name": given["project"], "entity": {"id": "e", "name": "ada"}}
        bucket = {"id": name, "name": name, "displayName": name, "config": run["config"]}
        lines = {"historyLineCount": len(run["history"])}
        return {
            "upsertBucket": {"bucket": {**bucket, **lines, "project": project}, "inserted": new}
        }

    def on_RunResumeStatus(self, **given: Any) -> Answer:
        run = self.server.runs.get(given["name"])
        if run is None:
            return {"model": None}
        bucket = {
            "id": given["name"],
            "name": given["name"],
            "config": run["config"],
            "wandbConfig": json.dumps({"t": 1}),
            "summaryMetrics": json.dumps(run["summary"]),
            "historyLineCount": len(run["history"]),
            "eventsLineCount": 0,
            "logLineCount": 0,
            "historyTail": json.dumps([json.dumps(line) for line in run["history"][-1:]]),
            "eventsTail": "[]",
            "tags": [],
        }
        return {"model": {"id": "p", "name": "p", "entity": {"id": "e", "name": "ada"},
                          "bucket": bucket}}  # fmt: skip

    def on_CreateRunFiles(self, **given: Any) -> Answer:
        files = [{"name": name, **self.server.upload(name)} for name in given["files"]]
        return {"createRunFiles": {"runID": given["run"], "uploadHeaders": [], "files": files}}

    def on_CreateArtifact(self, **given: Any) -> Answer:
        asked = given["input"]
        name = asked["artifactCollectionName"]
        aliases = {alias["alias"] for alias in asked["aliases"]}
        self.server.artifacts[name] = {"type": asked["artifactTypeName"], "aliases": aliases}
        artifact = {"id": name, "state": "PENDING"}
        sequence = {"id": name, "latestArtifact": None}
        return {"createArtifact": {"artifact": {**artifact, "artifactSequence": sequence}}}

    def on_CreateArtifactManifest(self, **given: Any) -> Answer:
        name = f"{given['artifactID']}/manifest"
        manifest = {"id": given["artifactID"], "file": self.server.upload(name)}
        return {"createArtifactManifest": {"artifactManifest": manifest}}

    def on_UpdateArtifactManifest(self, **given: Any) -> Answer:
        name = f"{given['artifactManifestID']}/manifest"
        manifest = {"id": given["artifactManifestID"], "file": self.server.upload(name)}
        return {"updateArtifactManifest": {"artifactManifest": manifest}}

    def on_CreateArtifactFiles(self, **given: Any) -> Answer:
        nodes = []
        for spec in given["input"]["artifactFiles"]:
            name = f"{spec['artifactID']}/{spec['name']}"
            node = {"storagePath": name, "artifact": {"id": spec["artifactID"]}}
            nodes.append({"node": node | self.server.upload(name)})
        return {"createArtifactFiles": {"files": {"edges": nodes}}}

    def on_CommitArtifact(self, **given: Any) -> Answer:
        self.server.artifacts[given["artifactID"]]["committed"] = True
        return {"commitArtifact": {"artifact": {"id": given["artifactID"], "digest": ""}}}
