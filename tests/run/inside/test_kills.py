"""A process is killed at each of its writes: the next one ends as if nothing had happened."""

import subprocess
import sys
from pathlib import Path

import pytest
from my_pipeline.runtime.registry import registry, store

from .conftest import P, Project, V, enter
from .tracked import point, runs

# For each write of a step, in a copy of the project: a process that is killed just before it, and
# one that comes to its end. Writes are files opened for it, renamed or removed, and databases
# or programs that are opened: what these write then is there whole or not at all.
KILL = """
import os, shutil, signal, sys, traceback
from itertools import count
from pathlib import Path

from my_pipeline.runtime.registry import store
from my_pipeline.runtime.run.run_dir import Run
from my_pipeline.runtime.steps import release, train

EVENTS = {"os.rename", "os.link", "os.remove", "os.mkdir", "sqlite3.connect", "subprocess.Popen"}
name, run_id, period, original, copies = sys.argv[1:]
step = {"train": train.train, "release": release.release}[name]
store.exists()  # imports the tool; a fork has none of the threads that are started later


def fork(left: int) -> int:
    if pid := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def count_down(event, args):
        nonlocal left
        writes = event in EVENTS or event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR)
        if writes and str(args[0]) != "/dev/null":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count_down)
    try:
        step(Run(run_id=run_id, period=period, folder=str(Path("runs", run_id).absolute())))
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


for number in count(1):
    source = shutil.ignore_patterns("source")
    os.chdir(shutil.copytree(original, f"{copies}/{number}", ignore=source))
    ended = fork(number)
    if ended != -signal.SIGKILL:
        sys.exit(ended)
    if fork(0):
        sys.exit(f"it could not be resumed after write {number}")
"""


@pytest.mark.parametrize("step", ["train", "release"])
def test_killed_at_each_write(
    evaluated: Project, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, name = evaluated.plan(P[5]), evaluated.params.model_name
    copies = tmp_path / "copies"
    copies.mkdir()
    point(Path(), monkeypatch)
    done = subprocess.run(
        [sys.executable, "-c", KILL, step, run.run_id, run.period, evaluated.folder, copies],
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
