"""DVCLive and GTO: what the repository of runs and models has, and what it may refuse."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput, Unavailable
from {{{ cookiecutter.package_name }}}.runtime.registry import (
    git_client,
    registry,
    store,
    tracker,
)
from {{{ cookiecutter.package_name }}}.runtime.registry.git_client import (
    DEFAULT,
    VARIABLE,
    Scratch,
)
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import RunDir
from {{{ cookiecutter.package_name }}}.runtime.steps.release import release
from {{{ cookiecutter.package_name }}}.runtime.steps.train import train

from .conftest import P, Project, V, champion_of
from .servers import answering
from .tracked import git, logged, refs, runs

RELEASE = """
import sys
from {{{ cookiecutter.package_name }}}.runtime.run.run_dir import Run
from {{{ cookiecutter.package_name }}}.runtime.steps.release import release

run_id, period, folder = sys.argv[1:]
release(Run(run_id=run_id, period=period, folder=folder))
"""
NOBODY = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}


def tags() -> set[str]:
    return set(git("tag").split())


def hook(name: str, script: str) -> Path:
    """Let the repository run a hook."""
    file = Path(DEFAULT, "hooks", name)
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def refused(patch: pytest.MonkeyPatch, place: str) -> str:
    """Return the sentence with which a place is refused."""
    patch.setenv(VARIABLE, place)
    with pytest.raises((BadInput, Unavailable)) as raised:
        tracker.check()
    return str(raised.value)


@pytest.fixture
def checkout(released: Project, monkeypatch: pytest.MonkeyPatch) -> str:
    """The project is a checkout with work in it, as a hook of it sees that; return its state."""
    for command in ("init --quiet", "add params.yaml", "commit --quiet -m all", "mv params.yaml a"):
        who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b.c"}
        who |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in who.items()}
        subprocess.run(["git", *command.split()], check=True, env=os.environ | who)
    Path("a").rename("params.yaml")
    for name, value in {"DIR": ".git", "WORK_TREE": "", "INDEX_FILE": ".git/index"}.items():
        monkeypatch.setenv(f"GIT_{name}", str(Path(value).absolute()))
    return state()


def state() -> str:
    commands = ("status --porcelain", "for-each-ref", "rev-parse HEAD", "ls-files --stage")
    return "".join(
        subprocess.run(["git", *command.split()], check=True, capture_output=True, text=True).stdout
        for command in commands
    )


def test_a_run_is_an_experiment_of_dvc_and_a_version_a_tag_of_gto(evaluated: Project) -> None:
    run, name = evaluated.plan(P[5]), evaluated.params.model_name
    release(run)
    registry.rollback(name)
    ref = refs()[run.run_id]
    root = git("rev-list", "--max-parents=0", ref).strip()
    assert ref == f"refs/exps/{root[:2]}/{root[2:]}/{run.run_id}"
    assert git("rev-parse", f"{ref}^1").strip() == root == git("rev-parse", "main").strip()
    assert tags() == {
        *(f"{name}@{V[1]}", f"{name}#champion#1", f"{name}@{V[2]}", f"{name}#previous#2"),
        *(f"{name}#champion#3", f"{name}#rolled-back#4", f"{name}#previous#5"),
        f"{name}#champion#6",
    }
    said = json.loads(git("for-each-ref", "--format=%(contents)", f"refs/tags/{name}@{V[2]}"))
    assert said == store.find(name, V[2]).tags
    from gto.api import show

    stages = {"champion": V[1], "previous": V[2], "rolled-back": V[2]}
    assert show(DEFAULT)[name]["stage"] == stages


def test_a_checkout_is_left_alone(
    evaluated: Project, checkout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where its hooks and signatures fail, and nobody has a name."""
    for name, value in NOBODY.items():
        monkeypatch.setenv(name, value)
    failing = {"core.hooksPath": "/nowhere", "commit.gpgSign": "true", "tag.gpgSign": "true"}
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(failing)))
    for number, (name, value) in enumerate(failing.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", name)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    assert release(evaluated.work(P[5], last="evaluate")).released
    assert state() == checkout


@pytest.mark.parametrize("stage", ["@v0.0.2", "#previous#2", "#champion#3"])
def test_another_release_comes_first(
    evaluated: Project, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """Its tag has the name that ours would have had."""
    run, name, push = evaluated.plan(P[5]), evaluated.params.model_name, Scratch.push
    theirs = f"{name}{stage}"

    def overtaken(self: Scratch, *refspecs: str) -> None:
        if refspecs == (f"refs/tags/{theirs}",) and theirs not in tags():
            git("-c", "user.name=a", "-c", "user.email=b", "tag", "-am", "by hand", theirs, "main")
        push(self, *refspecs)

    monkeypatch.setattr(Scratch, "push", overtaken)
    assert release(run).released
    champion = champion_of(evaluated)
    assert champion.run_id == run.run_id
    assert champion.version == ("v0.0.3" if "@" in stage else V[2])
    assert theirs in tags()


def test_another_process_logs_to_the_run(
    evaluated: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, name, push = evaluated.plan(P[5]), evaluated.params.model_name, Scratch.push

    def overtaken(self: Scratch, *refspecs: str) -> None:
        monkeypatch.setattr(Scratch, "push", push)
        with tracker.open_run(run, name, run.run_id):
            tracker.log_report("released", "theirs")
        push(self, *refspecs)

    with tracker.open_run(run, name, run.run_id):
        tracker.log_report("released", "ours")
        monkeypatch.setattr(Scratch, "push", overtaken)
    assert logged(run.run_id).report == "ours"
    assert git("show", f"{refs()[run.run_id]}^2:experiment/report.html") == "theirs"
    assert len(runs(name)) == 2


def test_a_tag_that_is_refused_loses_nothing(evaluated: Project) -> None:
    run, name = evaluated.plan(P[5]), evaluated.params.model_name
    rule = hook("pre-receive", "! grep -q refs/tags/")
    with pytest.raises(Unavailable, match="it refuses what is pushed: let its rules and hooks"):
        release(run)
    assert champion_of(evaluated).version == V[1]
    assert RunDir(run).evaluation.exists()
    rule.unlink()
    assert release(run).released
    assert {found.version for found in store.versions(name)} == {V[1], V[2]}


def test_a_push_that_outlives_its_release_doubles_no_version(evaluated: Project) -> None:
    """The process is killed as it pushes the version; git ends once the next release pushes it."""
    run, name = evaluated.plan(P[5]), evaluated.params.model_name
    wait = "do sleep 0.05; done"
    hook(
        "pre-receive",
        f"grep -q '@{V[2]}$' || exit 0\n"
        f"if mkdir pushing 2>/dev/null; then until [ -e resumed ]; {wait}; exit 0; fi\n"
        f"touch resumed; until git rev-parse -q --verify 'refs/tags/{name}@{V[2]}'; {wait}",
    )
    command = [sys.executable, "-c", RELEASE, run.run_id, run.period, run.folder]
    with subprocess.Popen(command) as killed:
        while not Path(DEFAULT, "pushing").exists():
            assert killed.poll() is None
            time.sleep(0.05)
        killed.kill()
    assert release(run).released
    assert {found.version for found in store.versions(name)} == {V[1], V[2]}


def test_a_lock_that_was_left_is_named(released: Project) -> None:
    """Of a push of which all processes were killed, as in a container."""
    run = released.plan(P[4])
    lock = Path(DEFAULT, f"{refs()[run.run_id]}.lock")
    lock.touch()
    name = released.params.model_name
    with (
        pytest.raises(Unavailable, match=rf"killed: try again, or remove .*{lock.name}\."),
        tracker.open_run(run, name, run.run_id),
    ):
        tracker.log_report("kept_champion", "<html>")
    assert logged(run.run_id).report != "<html>"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("401 Unauthorized", "it refuses us: give the key or token of this machine"),
        ("403 Forbidden", "it refuses us: give the key or token of this machine"),
        ("404 Not Found", "there is none, or none that we may see: create it"),
        ("500 Internal Server Error", "git says .*error: 500"),
        (None, "it does not answer: try again"),
    ],
)
def test_a_server_that_refuses(
    answer: str | None, reason: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_client, "PATIENCE", 1)
    with answering(answer) as address:
        place = f"{address.replace('//', '//ada:hunter2@')}/models.git"
        said = refused(monkeypatch, place)
    assert re.search(f"^The git repository http://127.*, as {reason}", said)
    assert "hunter2" not in said


class Asking(BaseHTTPRequestHandler):
    """Asks for a password, and notes what others can see of who sends it."""

    passwords: list[str | None]
    seen: bytes

    def do_GET(self) -> None:
        given = self.headers["Authorization"]
        self.passwords.append(given)
        scratches = Path(tempfile.gettempdir()).glob("registry-*/.git/config")
        for file in (*Path("/proc").glob("[0-9]*/cmdline"), *scratches):
            with suppress(OSError):  # it has ended
                type(self).seen += file.read_bytes()
        self.send_response(404 if given else 401)
        self.send_header("WWW-Authenticate", "Basic")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="it reads /proc")
def test_nobody_sees_the_password(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is in no argument of a process, and in no file that a killed one would leave."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    Asking.passwords, Asking.seen = [], b""
    with HTTPServer(("127.0.0.1", 0), Asking) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        place = f"http://ada:mellon%40@127.0.0.1:{server.server_port}/models.git"
        assert "create it" in refused(monkeypatch, place)
        server.shutdown()
    assert f"Basic {b64encode(b'ada:mellon@').decode()}" in Asking.passwords
    assert b"git-remote-http" in Asking.seen
    assert b"[remote" in Asking.seen
    assert b"mellon" not in Asking.seen


def test_the_address_is_read_from_the_file_of_secrets(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(".env").write_text(f"{VARIABLE}='https://ada:hunter2@git.example/models.git'\n")
    assert git_client.address() == git_client.url() == "https://git.example/models.git"
    monkeypatch.setenv(VARIABLE, "models.git")
    assert git_client.address() == "models.git"


def test_a_misspelt_repository_is_not_created(
    released: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be a registry without a champion."""
    sentence = "models.git, which REGISTRY_REPO names, does not exist: correct that, or make"
    assert sentence in refused(monkeypatch, "models.git")
    for ask in (store.check, store.exists, lambda: registry.champion(released.params.model_name)):
        with pytest.raises(BadInput, match="which REGISTRY_REPO names, does not exist"):
            ask()
    assert not Path("models.git").exists()


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("https://nowhere.invalid/models.git", "its host is unknown: check the network"),
        ("ada@nowhere.invalid:models.git", "its host is unknown: check the network"),
        ("ssh://ada@127.0.0.1:9/models.git", "it does not answer: try again"),
        ("file:///nowhere/models.git", "there is none, or none that we may see: create it"),
        ("params.yaml", "is not a bare git repository: name one that `git init --bare` made"),
        ("data", "is not a bare git repository: name one that `git init --bare` made"),
    ],
)
def test_a_place_that_cannot_be_used(
    place: str, reason: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "@" in place and shutil.which("ssh") is None:
        pytest.skip("ssh is not installed")
    assert reason in refused(monkeypatch, place)


def test_a_checkout_is_no_registry(
    released: Project, checkout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "pushes could meet the work in a checkout" in refused(monkeypatch, ".")
    assert state() == checkout


@pytest.mark.parametrize("part", ["objects", "refs/tags", "refs/exps"])
def test_a_repository_that_is_read_only(
    part: str,
    released: Project,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    folder = Path(DEFAULT, part).absolute()
    request.addfinalizer(lambda: folder.chmod(0o755))  # pytest deletes it later
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):  # root may write everywhere
        monkeypatch.setattr(os, "access", lambda path, _: path != folder)
    assert "it cannot be written: let this user write there" in refused(monkeypatch, DEFAULT)
    assert store.check() == f"{DEFAULT} answers"  # enough for status and predictions


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("cannot lock ref 'a': Unable to create 'a.lock': Permission denied", "cannot be written"),
        ("cannot lock ref 'a': Unable to create 'a.lock': No space left", "its disk is full"),
        ("cannot lock ref 'a'\n ! [remote rejected] (pre-receive hook declined)", "its rules"),
    ],
)
def test_what_is_refused_is_no_race(
    said: str, reason: str, project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A git that says so stands in: root may write everywhere."""
    stand_in = tmp_path / "git"
    stand_in.write_text(f"#!/bin/sh\ncat >&2 <<'.'\n{said}\n.\nexit 1\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert reason in refused(monkeypatch, "https://git.example/models.git")


def test_a_damaged_model_is_not_loaded(released: Project) -> None:
    """git checks what it fetches."""
    name = released.params.model_name
    blob = git("rev-parse", f"{name}@{V[1]}:experiment/model.pkl").strip()
    file = Path(DEFAULT, "objects", blob[:2], blob[2:])
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(Unavailable, match=DEFAULT):
        registry.load_model(name, V[1])


def test_runs_that_were_removed_leave_no_models_but_the_registered(evaluated: Project) -> None:
    """As `dvc exp remove` and `git gc` do."""
    run, name = evaluated.plan(P[5]), evaluated.params.model_name
    model = git("rev-parse", f"{refs()[run.run_id]}:experiment/model.pkl").strip()
    assert git("cat-file", "-t", model) == "blob\n"
    for ref in refs().values():
        git("update-ref", "-d", ref)
    git("gc", "--quiet", "--prune=now")
    with pytest.raises(subprocess.CalledProcessError):
        git("cat-file", "-t", model)
    assert registry.load_model(name, V[1])
    train(run)  # a step that is repeated
    assert refs().keys() == {run.run_id}


def test_what_a_stage_of_dvc_logs_is_not_pushed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DVC keeps it: in the table of experiments, it would be there twice."""
    run = project.work(P[4], last="features")
    monkeypatch.setenv("DVC_STAGE", "train")
    monkeypatch.setenv(VARIABLE, "https://github.com/ada/models.git")
    training = train(run)
    assert (training.tracker_id, training.tracker_url) == (run.run_id, None)
    assert refs() == {}


@pytest.mark.parametrize(
    ("place", "page"),
    [
        ("https://token@github.com/ada/models.git", "https://github.com/ada/models/commit/"),
        ("git@github.com:ada/models", "https://github.com/ada/models/commit/"),
        ("ssh://git@gitlab.example:2222/ml/a/b.git", "https://gitlab.example/ml/a/b/-/commit/"),
        ("https://git.example/ada/models.git", None),
        ("", None),
    ],
)
def test_the_page_of_a_run(
    place: str, page: str | None, released: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of a commit which stays: later steps only add to it."""
    run = released.plan(P[4])
    with tracker.open_run(run, released.params.model_name, run.run_id) as tracker_id:
        tracker.log_report("kept_champion", "<html>")
        with monkeypatch.context() as patch:
            patch.setenv(VARIABLE, place)
            found = tracker.page_of(tracker_id)
    commit = git("rev-parse", refs()[run.run_id]).strip()
    assert found == (f"{page}{commit}" if page else None)
