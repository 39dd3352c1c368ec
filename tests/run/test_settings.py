"""A project on machines with settings of their own: of git, of uv and Python, of the user."""

import http.server
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.machines import (
    A_FOLDER,
    FIRST_COMMIT,
    FOREIGN,
    HOOK,
    NAMELESS,
    NO_DATES,
    OLD_UV,
    PATHS,
    VARIABLES,
    WORKSPACE,
    record_machine,
)
from tests.projects import Project, clone, need, with_answers
from tests.shell import ROOT, change

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("run settings")]

MADE = "Made a git repository with a first commit.\n"
ADA = "[user]\nname = Ada\nemail = ada@example.com\n"


@pytest.fixture(scope="module")
def rendered(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Give a project that has an environment, and no repository yet."""
    return with_answers(project, tmp_path_factory.mktemp("rendered"))


def run(project: Project, *command: str | Path, **variables: str) -> str:
    """Return what a program prints, without the variables that a test's shell gives to git."""
    kept = {k: v for k, v in project.shell.environment().items() if not k.startswith("GIT_")}
    done = subprocess.run(
        command,
        cwd=project.folder,
        env=kept | {"GIT_CONFIG_NOSYSTEM": "1"} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{done.stdout}{done.stderr}" + (f"exit {done.returncode}" if done.returncode else "")


def make(project: Project, *words: str, **variables: str) -> str:
    """Return what make prints."""
    return run(project, "make", *words, **variables)


def examined(project: Project, check: str, **variables: str) -> str:
    """Return the line of `make doctor` about a check, without the checks that come after it."""
    said = run(project, project.folder / ".venv/bin/python", "-c", EXAMINE, check, **variables)
    return re.sub(r"git version [\d.]+", "git version …", said)


EXAMINE = """
import sys
from my_pipeline.runtime.config import load_params
from my_pipeline.runtime.monitor import doctor, machine

found = doctor.examine(load_params())
name, passed, message = next(each for each in found if each[0] == sys.argv[1])
good = "note " if isinstance(message, machine.Remark) else "ok   "
print(good if passed else "ERROR", f"{name}: {message}")
"""

# ---- git ----

UNCHECKED = "The first commit is not signed, and no hook checked it"
HOOKS = '#!/bin/sh\necho "a ticket is missing" >&2\nexit 1\n'
SETTINGS = {
    "nothing": ("", "setup"),
    "user.useConfigOnly": ("[user]\nuseConfigOnly = true\n", "setup"),
    "a name without an email": ("[user]\nname = Ada\n", "setup"),
    "includeIf": ('[includeIf "gitdir:**"]\npath = ada\n', "Ada"),
    "init.defaultBranch": (f"{ADA}[init]\ndefaultBranch = trunk\n", "Ada"),
    "core.autocrlf": (f"{ADA}[core]\nautocrlf = true\nsafecrlf = true\n", "Ada"),
    "commit.gpgSign": (f"{ADA}[commit]\ngpgSign = true\n", "gpg failed to sign the data"),
    "a key of SSH": (
        f"{ADA}signingKey = no.pub\n[commit]\ngpgSign = true\n[gpg]\nformat = ssh\n",
        "no.pub",
    ),
    "core.hooksPath": (f"{ADA}[core]\nhooksPath = ~/hooks\n", "failed: a ticket is missing"),
    "init.templateDir": (f"{ADA}[init]\ntemplateDir = ~\n", "failed: a ticket is missing"),
}
"""The global settings by what they are about; the author of the first commit, or what git says."""


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_first_commit(setting: str, rendered: Project, tmp_path: Path) -> None:
    text, expected = SETTINGS[setting]
    if "ssh" in text:
        need("ssh-keygen", "git signs with it")
    (tmp_path / ".gitconfig").write_text(text)
    (tmp_path / "ada").write_text(ADA)
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks/commit-msg").write_text(HOOKS)
    (tmp_path / "hooks/commit-msg").chmod(0o755)
    shutil.rmtree(rendered.folder / ".git", ignore_errors=True)
    said = make(rendered, "setup", HOME=str(tmp_path))
    git = ("git", "-C", rendered.folder)
    shown = rendered.shell(*git, "log", "--format=%an %s on %D").stdout
    refused = expected not in ("Ada", "setup")
    author = "Ada" if refused else expected
    assert shown == f"{author} Render the template on HEAD -> main\n"
    assert not rendered.shell(*git, "status", "--porcelain").stdout
    assert MADE in said
    assert (UNCHECKED in said) == refused
    if refused:
        assert expected in said
    if row := FIRST_COMMIT.get(setting):
        found = examined(rendered, "git", HOME=str(tmp_path)).replace(str(tmp_path), "~")
        record_machine(row, f"works. {UNCHECKED}: …" if refused else "works", found)


def test_a_commit_that_git_refuses_leaves_nothing(rendered: Project, tmp_path: Path) -> None:
    """And the message repeats what git says."""
    shutil.rmtree(rendered.folder / ".git", ignore_errors=True)
    (tmp_path / ".gitconfig").write_text("[user")
    said = make(rendered, "setup", HOME=str(tmp_path))
    assert "error: `git init --quiet` failed: fatal: bad config line" in said
    said = make(rendered, "setup", GIT_TEST_ASSUME_DIFFERENT_OWNER="1")
    assert said.count("detected dubious ownership in repository") == 1
    assert "git config --global --add safe.directory" in said
    assert not (rendered.folder / ".git").exists()
    rendered.shell("git", "init", "--quiet", cwd=rendered.folder)
    make(rendered, "setup", HOME=str(tmp_path))
    assert (rendered.folder / ".git/HEAD").exists()  # a repository that it did not make stays


def test_the_repository_of_another_user(project: Project, tmp_path: Path) -> None:
    own = clone(project, tmp_path / "my-pipeline")
    foreign = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    said = make(own, "compare", "BASE=main", **foreign)
    (sentence,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert "`git rev-parse --git-dir` failed: fatal: detected dubious ownership" in sentence
    assert "git config --global --add safe.directory" in said
    found = examined(own, "git", **foreign)
    seen = [text.replace(str(own.folder), "…") for text in (sentence, found)]
    record_machine(FOREIGN, *seen)


def test_a_hook_of_another_repository(rendered: Project, template: Path, tmp_path: Path) -> None:
    """Git's variables lead to that; the project's own repository is made, and the other stays."""
    shutil.rmtree(rendered.folder / ".git", ignore_errors=True)
    before = rendered.shell("git", "-C", template, "status", "--porcelain", "--branch").stdout
    variables = {
        "GIT_DIR": str(template / ".git"),
        "GIT_WORK_TREE": str(template),
        "GIT_INDEX_FILE": str(tmp_path / "index"),
    }
    assert make(rendered, "setup", **variables) == MADE
    said = make(rendered, "--dry-run", "doctor", **variables)
    assert 'SET_ASIDE="GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE"' in said
    found = examined(rendered, "environment", SET_ASIDE="GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE")
    after = rendered.shell("git", "-C", template, "status", "--porcelain", "--branch").stdout
    assert after == before
    record_machine(HOOK, "works", without_user(found))


@pytest.mark.matrix
def test_a_folder_of_a_larger_repository(project: Project, tmp_path: Path) -> None:
    """Also where git's settings refuse hooks, signatures and clones of folders."""
    own = with_answers(project, tmp_path / "our teams")
    project.shell.commit(tmp_path, "All teams")
    hooks = own.folder.parent / "hooks"
    hooks.mkdir()
    (hooks / "post-checkout").write_text(HOOKS)
    (hooks / "post-checkout").chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        f"{ADA}[commit]\ngpgSign = true\n[protocol]\nallow = never\n[core]\nhooksPath = {hooks}\n"
    )
    shutil.copytree(project.folder / "data/source", own.folder / "data/source")
    change(own.folder / "params.yaml", "learning_rate: 0.1", "learning_rate: 0.2")
    page = make(own, "compare", "BASE=main", "PERIOD=2013-05", HOME=str(home))
    assert re.search(r"\| auc \| 0\.\d+ \| 0\.\d+ \|", page), page
    assert "-  learning_rate: 0.1" in page
    assert not (own.folder / ".git").exists()
    found = examined(own, "git", HOME=str(home))
    record_machine(A_FOLDER, "works", found.partition("; commits are signed")[0])


# ---- users and paths ----


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.matrix
def test_a_user_without_a_name(project: Project, tmp_path: Path) -> None:
    """And without a home, in a folder with blanks and quotes."""
    own = clone(project, tmp_path / "it's a ü/my-pipeline")
    project.shell("chown", "-R", "12345:12345", own.folder)
    for folder in {*own.folder.parents, *project.folder.parents}:
        if folder.is_relative_to(tempfile.gettempdir()):  # folders of tests are closed to others
            folder.chmod(folder.stat().st_mode | 0o011)
    power = "dac_read_search"  # for Python, where it is in the home of root
    others = [f"--{name}=-all,+{power}" for name in ("inh-caps", "ambient-caps", "bounding-set")]
    user = ("setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", *others)
    nobody = (*user, "env", *(f"--unset={name}" for name in ("HOME", "USER", "LOGNAME")))
    done = project.shell(*nobody, "make", "run", "PERIOD=2013-05", cwd=own.folder)
    assert "2013-05 released" in done.stdout
    show = ("env", f"HOME={tmp_path}", "make", "--eval=show: ; @env", "show")
    readable = project.shell(*user, *show, cwd=own.folder).stdout.splitlines()
    assert {f"HOME={tmp_path}", f"XDG_CACHE_HOME={own.folder}/.uv/cache"} <= {*readable}
    python = own.folder / ".venv/bin/python"
    examining = ("SET_ASIDE=HOME", "HOME=.uv/home", "USER=12345", python, "-c", EXAMINE)
    found = project.shell(*nobody, *examining, "environment", cwd=own.folder).stdout
    record_machine(NAMELESS, "works", found)
    record_machine(PATHS, "works")


# ---- uv, pip and Python ----

SET = {
    "UV_PROJECT_ENVIRONMENT": "/nowhere/else",
    "UV_NO_DEV": "1",
    "UV_NO_INSTALL_PROJECT": "1",
    "UV_SYSTEM_PYTHON": "1",
    "UV_EXCLUDE_NEWER": "2020-01-01",
    "VIRTUAL_ENV": "/nowhere/else",
    "CONDA_PREFIX": "/nowhere/else",
    "PIP_TARGET": "/nowhere/else",
    "PYTHONHOME": "/nowhere/else",
    "PYTHONSAFEPATH": "1",
    "PYTHONWARNINGS": "error",
}


def test_variables_for_other_work(project: Project, tmp_path: Path) -> None:
    """Setup installs all into .venv/, and modules of other folders are not imported."""
    own = with_answers(project, tmp_path / "rendered")
    (own.folder / ".venv").unlink()
    (tmp_path / "yaml.py").write_text("raise SystemExit('another yaml')")
    others = SET | {"PYTHONPATH": str(tmp_path), "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    assert "exit" not in make(own, "setup", "data", **others)
    assert (own.folder / ".venv/bin/pytest").exists()
    assert (own.folder / "data/source").exists()
    said = make(own, "--dry-run", "doctor", **others)
    aside = said.partition('SET_ASIDE="')[2].partition('"')[0]
    assert set(aside.split()) == {*SET, "PYTHONIOENCODING"}
    found = examined(own, "environment", SET_ASIDE="UV_NO_DEV …")
    record_machine(VARIABLES, "works", without_user(found))


def without_user(found: str) -> str:
    """Return what `make doctor` says about variables, without who ran it."""
    return f"note environment: …; {found.partition('; ')[2]}"


@pytest.mark.matrix
def test_an_old_uv(project: Project, tmp_path: Path) -> None:
    """One that does not know dependency groups, nor `required-version`: a newer one is fetched."""
    own = with_answers(project, tmp_path / "rendered")
    for made in (".venv", ".uv"):
        (own.folder / made).unlink(missing_ok=True)
    uv = shutil.which("uv") or ROOT / ".uv/bin/uv"
    own.shell(uv, "pip", "install", "-q", "--target", tmp_path / "old", "uv==0.4.0")
    path = {"PATH": f"{tmp_path / 'old/bin'}:{os.environ['PATH']}"}
    said = make(own, "setup", **path)
    assert said.startswith("Fetching uv into .uv/, because none of version 0.8 or newer is here")
    assert "exit" not in said
    found = examined(own, "uv", **path)
    assert found.strip().endswith("as uv 0.4.0 is too old for pyproject.toml")
    record_machine(OLD_UV, said.splitlines()[0], re.sub(r"uv 0\.\d\d\S*( \(.*?\))?", "uv …", found))


@pytest.mark.matrix
def test_a_workspace_around_the_folder(project: Project, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "mono"\nversion = "1"\nrequires-python = ">=3.11"\n'
        '[tool.uv.workspace]\nmembers = ["*"]\n'
    )
    own = with_answers(project, tmp_path)
    (own.folder / ".venv").unlink()
    assert "exit" not in make(own, "setup")
    assert (own.folder / ".venv/bin/pytest").exists()
    assert not (tmp_path / ".venv").exists()
    record_machine(WORKSPACE, "works")


class Undated(http.server.BaseHTTPRequestHandler):
    """Passes on PyPI's pages without upload times, as Artifactory and Nexus serve them."""

    def do_GET(self) -> None:
        asked = urllib.request.Request(
            f"https://pypi.org{self.path}", headers={"Accept": "text/html"}
        )
        try:
            with urllib.request.urlopen(asked) as answer:  # noqa: S310
                status, page = 200, answer.read()
        except urllib.error.HTTPError as error:
            status, page = error.code, b""
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def undated() -> Iterator[str]:
    """Give the address of a package index without upload times."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Undated) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()


@pytest.mark.matrix
def test_an_index_without_upload_times(project: Project, undated: str, tmp_path: Path) -> None:
    """With the setting of docs/machines.md it works, and keeps the versions of a lock."""
    own = with_answers(project, tmp_path / "rendered")
    lock, settings = own.folder / "uv.lock", own.folder / "pyproject.toml"
    before = versions(lock)
    (own.folder / ".venv").unlink()
    lock.unlink()
    said = make(own, "setup", UV_DEFAULT_INDEX=undated)
    (sentence,) = [line for line in said.splitlines() if "upload times" in line]
    page = (own.folder / "docs/machines.md").read_text()
    setting = page.partition("```toml\n")[2].partition("```")[0]
    assert "exclude-newer = false" in setting
    address = "https://packages.example.com/simple"
    assert address in setting
    settings.write_text(f"{settings.read_text()}\n{setting.replace(address, undated)}")
    shutil.copy(project.folder / "uv.lock", lock)
    assert "exit" not in make(own, "setup")
    assert undated in lock.read_text()
    assert versions(lock) == before
    record_machine(NO_DATES, sentence)


def versions(lock: Path) -> set[tuple[str, str]]:
    """Return the names and versions of a lock."""
    packages = tomllib.loads(lock.read_text())["package"]
    return {(package["name"], package.get("version", "")) for package in packages}
