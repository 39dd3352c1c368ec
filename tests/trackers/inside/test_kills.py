"""A process is killed as it writes: the next one ends as if nothing had happened."""

import subprocess
import sys
from pathlib import Path

import pytest
from my_pipeline.runtime.registry import registry, store

from .conftest import P, Project, V, enter
from .tracked import point, runs

# For KILLS writes of a step, evenly spread, each in a copy of the project: a process that is killed
# just before it, and one that comes to its end. Writes are files opened for it, renamed or removed,
# and databases or programs opened: what those write then is there whole or not at all.
KILL = """
import os, shutil, signal, sys, traceback
from pathlib import Path

from my_pipeline.runtime.registry import store
from my_pipeline.runtime.run.run_dir import Run
from my_pipeline.runtime.steps import release, train

EVENTS = {"os.rename", "os.link", "os.remove", "os.mkdir", "sqlite3.connect", "subprocess.Popen"}
name, run_id, period, original, copies, kills = sys.argv[1:]
step = {"train": train.train, "release": release.release}[name]
sys.dont_write_bytecode = True  # else the first fork would write more
store.exists()  # imports the tool; a fork has none of the threads that are started later


def fork(left: int) -> int:
    if pid := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def count_down(event, args):
        nonlocal left
        writes = event in EVENTS or event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR)
        if writes and str(args[0]) != "/dev/null":
            left -= 1
            if left < 0:
                seen.append(event)
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    seen = []
    sys.addaudithook(count_down)
    try:
        step(Run(run_id=run_id, period=period, folder=str(Path("runs", run_id).absolute())))
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    Path("writes").write_text(str(len(seen)))
    os._exit(0)


def copy(number: int) -> None:
    ignore = shutil.ignore_patterns("source")
    os.chdir(shutil.copytree(original, f"{copies}/{number}", ignore=ignore))


for number in (-1, 0):  # the first one may compile modules, which are writes, too
    copy(number)
    if fork(0):
        sys.exit("it fails undisturbed")
writes = int(Path("writes").read_text()) - 5  # their number varies by a few
for number in range(1, writes + 1, max(1, writes // int(kills))):
    copy(number)
    if fork(number) != -signal.SIGKILL:
        sys.exit(f"it was not killed at write {number} of {writes}")
    if fork(0):
        sys.exit(f"it could not be resumed after write {number}")
"""
KILLS = "20"


@pytest.mark.parametrize("step", ["train", "release"])
def test_killed_as_it_writes(
    evaluated: Project, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, name = evaluated.plan(P[5]), evaluated.params.model_name
    copies = tmp_path / "copies"
    copies.mkdir()
    point(Path(), monkeypatch)
    done = subprocess.run(
        [sys.executable, "-c", KILL, step, run.run_id, run.period, evaluated.folder, copies, KILLS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ended = [*copies.iterdir()]
    assert len(ended) > 5, "it wrote nothing"
    for folder in ended:
        enter(folder, monkeypatch)
        assert len(runs(name)) == 2
        assert not [*folder.rglob("*.partial.*")]  # trackio's
        released = V[2] if step == "release" else V[1]
        assert registry.champion(name).version == released
        assert {found.version for found in store.versions(name)} == {V[1], released}
