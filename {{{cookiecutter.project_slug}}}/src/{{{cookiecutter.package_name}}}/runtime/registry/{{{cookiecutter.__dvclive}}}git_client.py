"""The git repository of runs and models, which `REGISTRY_REPO` names, and how it is reached.

The variable is of the environment or of `.env`. The repository is a bare one of this machine, by
default `.registry.git`, or the address of one. Commands work in a scratch repository that is
removed when they end: never in a checkout of the project.

Runs are experiments of DVC: each is a commit that the ref `refs/exps/<root>/<run id>` names. Its
first parent is the `root` commit, which is empty; the second one is what the run had logged before.
"""

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from types import MappingProxyType
from urllib.parse import unquote
from uuid import uuid4

from dotenv import dotenv_values

from ..errors import BadInput, Unavailable, redact

VARIABLE = "REGISTRY_REPO"
DEFAULT = ".registry.git"
IN_IMAGES = "/app/models/registry.git"
"""Where the volume of a stack or a cluster has it. The first run creates these two, and no other:
a misspelt one would be a registry without a champion."""

PATIENCE = 20.0
"""Seconds in which the repository must answer."""
LONGEST = 600.0
"""Seconds that a fetch or a push may take."""

_FOREIGN = (
    *("GIT_DIR", "GIT_COMMON_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE"),
)
"""Variables by which a hook would have us work on its repository."""

_ROOT = ("registry", "registry@localhost", "2000-01-01T00:00:00Z")  # everywhere the same commit

_WRITTEN = ("objects", "refs", "refs/tags", "refs/exps")

_CONFIG = """
[core]
    hooksPath = /dev/null
    attributesFile = /dev/null
    autocrlf = false
[gc]
    auto = 0
[remote "registry"]
    url = "{url}"
"""
_IDENTITY = """
[user]
    name = pipeline
    email = pipeline@localhost
"""
"""Of commits and tags, where the machine has none."""

_WITH_PASSWORD = re.compile(r"^(https?://)([^/]*)@([^/]*)")
_HELPER = """!printf 'password=%s\\n' "$REGISTRY_PASSWORD"; :"""
"""A credential helper of git: others can read the arguments of a process, not its variables."""

_RULES = "it refuses what is pushed: let its rules and hooks take tags and refs/exps"
_REASONS = {
    "hook declined": _RULES,
    "Could not resolve host|Name or service not known": "its host is unknown: check the network",
    "Host key verification failed": "the key of its host is unknown: add that to known_hosts",
    "dubious ownership": "it belongs to another user: give it to this one, or add it to "
    "safe.directory of git",
    r"Permission denied \(|Authentication failed|could not read (Username|Password)|denied to|"
    "error: 40[13]|read.only key|marked as read only|not allowed to push": "it refuses us: give "
    "the key or token of this machine the right to push",
    "No space left": "its disk is full: free some space",
    "ermission denied|insufficient permission|Read-only file system|unable to (create|write)": "it "
    "cannot be written: let this user write there",
    "remote rejected": _RULES,
    "not found|does not exist|not appear to be a git|not a git repository": "there is none, or "
    "none that we may see: create it",
    "timed out|did not answer|refused|[Cc]ould not connect|unreachable|reset|closed|hung up": "it "
    "does not answer: try again",
}
"""Why it cannot be used and what to do, by what stands in the output of git."""

_OVERTAKEN = re.compile(
    r"\[rejected\]|cannot lock ref|failed to (lock|update) ref|reference already exists"
)
"""A push was refused as another one came first, unless it is `_REFUSED`."""
_REFUSED = re.compile("hook declined|ermission denied|Read-only file system|No space left")
_LOCK = re.compile(r"create '(.+\.lock)': File exists")


class Overtaken(Unavailable):
    """Another push came first: what it pushed has to be fetched."""


def configured() -> str:
    """Return the value of `REGISTRY_REPO`, or its default; a password may be in it."""
    file = dotenv_values(Path(".env"), interpolate=False)
    return os.environ.get(VARIABLE) or file.get(VARIABLE) or DEFAULT


def address() -> str:
    """Return where the repository is, without a password."""
    return redact(configured())


def folder() -> Path | None:
    """Return the folder of a repository of this machine, None for an address."""
    place = configured()
    return None if re.match(r"[a-z+]+://|[^/]+:", place) else Path(place).expanduser().absolute()


def url() -> str:
    """Return where the repository is, as git takes it: with `credentials`, if it is HTTP."""
    return str(folder() or _WITH_PASSWORD.sub(r"\1\3", configured()))


def credentials() -> dict[str, str]:
    """Return variables by which git finds the user and the password of an address of HTTP."""
    found = _WITH_PASSWORD.match(configured())
    if not found:
        return {}
    user, _, password = (unquote(part) for part in found[2].partition(":"))
    section = f"credential.{found[1]}{found[3]}"
    settings = [(f"{section}.username", user)]
    if password:
        settings += [(f"{section}.helper", ""), (f"{section}.helper", _HELPER)]  # no other one
    first = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    variables = {"GIT_CONFIG_COUNT": f"{first + len(settings)}", "REGISTRY_PASSWORD": password}
    for number, (name, value) in enumerate(settings, first):
        variables |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return variables


def exists() -> bool:
    """Return whether the repository is an address, or a folder that exists.

    Raises:
        BadInput: no first run would create the folder.
        Unavailable: we may not look.
    """
    place = folder()
    try:
        if place is None or place.exists():
            return True
    except OSError as error:
        raise _explained(str(error)) from error
    if configured() not in (DEFAULT, IN_IMAGES):
        raise BadInput(
            f"{place}, which {VARIABLE} names, does not exist: correct that, or make the "
            "repository with `git init --bare`."
        )
    return False


def answers() -> str:
    """Return where the repository is, in a clause that says that it can be read.

    Raises:
        BadInput: what is there is no bare repository.
        Unavailable: it does not answer in `PATIENCE` seconds, or refuses.
    """
    if not exists():
        return f"{address()} is created by the first run"
    with scratch() as repository:
        repository.git("ls-remote", "registry", "HEAD", patience=PATIENCE)
    return f"{address()} answers"


def takes_pushes() -> str:
    """Return where the repository is, in a clause that says that it can be pushed to.

    Nothing is pushed, so rules and hooks of the repository are not asked.

    Raises:
        BadInput: what is there is no bare repository.
        Unavailable: it does not answer in `PATIENCE` seconds, or refuses.
    """
    place = folder()
    if place and not exists():
        if not os.access(place.parent, os.W_OK):
            raise _explained("Permission denied")
        return f"{address()} is created by the first run"
    with scratch() as repository:
        probe = f"{repository.root}:{repository.ref('probe')}"
        repository.git("push", "--dry-run", "registry", probe, patience=PATIENCE)
    written = [place / name for name in _WRITTEN] if place else []
    if not all(os.access(path, os.W_OK) for path in written if path.exists()):
        raise _explained("Permission denied")
    return f"{address()} can be pushed to"


def create() -> None:
    """Create a repository of this machine, whole or not at all, where none is."""
    place = folder()
    if place is None or exists():
        return
    part = place.with_name(f"{place.name}.{uuid4().hex[:8]}.part")
    try:
        part.mkdir(parents=True)
        _run(["init", "--quiet", "--bare", "--template=", "--initial-branch=main"], part)
        _run(["config", "uploadpack.allowFilter", "true"], part)  # tags alone, without models
        part.rename(place)
    except OSError as error:
        if not place.exists():  # else another process was quicker
            raise _explained(f"unable to create: {error}") from error
    finally:
        rmtree(part, ignore_errors=True)


class Scratch:
    """A repository in a temporary folder, whose remote `registry` is that of runs and models."""

    def __init__(self, path: Path) -> None:
        """Work in `path`."""
        self.path = path

    def git(self, *words: str, patience: float = LONGEST, **variables: str) -> str:
        """Return the output of a git command, run with variables.

        Raises:
            Overtaken: it is a push, and another one came first.
            Unavailable: it fails, or takes longer than `patience`, in seconds.
        """
        return _run(words, self.path, patience, variables).decode().strip()

    def read(self, name: str) -> bytes:
        """Return the content of a file, by its name in git; see `git`."""
        return _run(["cat-file", "blob", name], self.path)

    @cached_property
    def root(self) -> str:
        """The commit from which all runs are experiments; it is empty."""
        name, email, date = _ROOT
        tree = self.git("hash-object", "-t", "tree", "-w", "/dev/null")
        return self.git(
            *("commit-tree", tree, "-m", "Runs"),
            GIT_AUTHOR_NAME=name,
            GIT_AUTHOR_EMAIL=email,
            GIT_AUTHOR_DATE=date,
            GIT_COMMITTER_NAME=name,
            GIT_COMMITTER_EMAIL=email,
            GIT_COMMITTER_DATE=date,
        )

    def ref(self, run_id: str) -> str:
        """Return the ref of a run."""
        return f"refs/exps/{self.root[:2]}/{self.root[2:]}/{run_id}"

    def fetch(self, ref: str, *options: str) -> None:
        """Fetch a ref, as `FETCH_HEAD`; see `git`."""
        self.git("fetch", "--quiet", "--no-tags", *options, "registry", ref)

    def push(self, *refspecs: str) -> None:
        """Push to the repository; see `git`."""
        self.git("push", "--quiet", "--no-verify", "--no-signed", "registry", *refspecs)


@contextmanager
def scratch() -> Iterator[Scratch]:
    """Yield a scratch repository: our commits and pushes need nothing that a machine has set.

    Raises:
        BadInput: what `REGISTRY_REPO` names is no bare repository.
    """
    place = folder()
    if place and place.exists():
        _check_bare(place)
    with TemporaryDirectory(prefix="registry-") as made:
        path = Path(made)
        _run(["init", "--quiet", "--template="], path)
        quoted = url().replace("\\", "\\\\").replace('"', '\\"')
        identity = "" if _has_identity(path) else _IDENTITY
        with (path / ".git/config").open("a", encoding="utf-8") as config:
            config.write(_CONFIG.format(url=quoted) + identity)
        yield Scratch(path)


def _check_bare(place: Path) -> None:
    try:
        bare = _run(["--git-dir", str(place), "rev-parse", "--is-bare-repository"], Path())
    except Unavailable:
        bare = b""
    if bare.strip() != b"true":
        raise BadInput(
            f"{place}, which {VARIABLE} names, is not a bare git repository: name one that "
            "`git init --bare` made, as pushes could meet the work in a checkout."
        )


def _has_identity(path: Path) -> bool:
    try:
        for who in ("AUTHOR", "COMMITTER"):
            _run(["-c", "user.useConfigOnly=true", "var", f"GIT_{who}_IDENT"], path)
    except Unavailable:
        return False
    return True


def _run(
    words: Sequence[str],
    path: Path,
    patience: float = LONGEST,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> bytes:
    """Return the output of git in a folder, run with variables; nobody is asked for a password."""
    inherited = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    ours = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_ATTR_NOSYSTEM": "1"}
    try:
        process = subprocess.Popen(  # noqa: S603
            ["git", *words],  # noqa: S607
            cwd=path,
            env={**inherited, **ours, **credentials(), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # without a terminal, ssh does not ask either
        )
    except FileNotFoundError:
        raise BadInput("git is not installed: on Debian, `apt install git`.") from None
    try:
        output, errors = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise _explained(f"did not answer in {patience:g} s") from None
    if process.returncode:
        raise _explained(errors.decode(errors="replace"))
    return output


def _explained(said: str) -> Unavailable:
    """Return what git said as one sentence."""
    where = f"The git repository {address()}, of runs and models,"
    refused = _REFUSED.search(said)
    if not refused and (lock := _LOCK.search(said)):
        return Overtaken(
            f"{where} is locked by another process, or by one that was killed: try again, or "
            f"remove {lock[1]}."
        )
    if not refused and _OVERTAKEN.search(said):
        return Overtaken(f"{where} was pushed to by another process at the same time: try again.")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    first = next((line for line in lines if line.startswith(("fatal:", "error:"))), said.strip())
    why = next((why for sign, why in _REASONS.items() if re.search(sign, said)), None)
    why = why or f'git says "{redact(first[:200])}": resolve that'
    return Unavailable(f"{where} cannot be used, as {why}, or correct {VARIABLE}.")
