"""Call functions that read files in a process of its own, which a damaged file may end.

On some damaged files, libraries in compiled code abort, or take all memory. What could be read
there is safe to read here.
"""

import atexit
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

Returned = TypeVar("Returned")

ENDED = (OSError, EOFError, pickle.UnpicklingError)
"""What is raised where the process ends before it has answered."""


TRIES = 2
"""What ended the process may have been something else than the file, once."""


class Reader:
    """A process that reads files. It starts with the first, and ends with the one that started it.

    It is one for all threads, because its start takes half a second.
    """

    def __init__(self) -> None:
        """Start nothing yet."""
        self.forget()

    def forget(self) -> None:
        """Forget the process, which is the parent's after a fork."""
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def call(self, function: Callable[..., Returned], name: str, *given: Any) -> Returned:
        """Return what a function of `formats.py` returns of the file `name`; raise what it raises.

        Raises:
            polars.exceptions.ComputeError: the file ended the process.
            RuntimeError: the process does not start.
        """
        import polars as pl

        with self._lock:
            how = ""
            for _ in range(TRIES):
                process = self._process or self._start()
                try:
                    returned, value = _ask(process, (function, (name, *given)))
                except ENDED:
                    code, self._process = process.wait(), None
                    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
                    continue
                except BaseException:  # interrupted
                    self.close()
                    raise
                if not returned:
                    raise value
                result: Returned = value
                return result
        raise pl.exceptions.ComputeError(
            f"{name} is not readable: it ends the process that reads it, with {how}"
        )

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", __name__]
        process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "RUST_BACKTRACE": "0"},  # of Polars
        )
        try:
            _ask(process, (len, ("ready",)))
        except ENDED as error:
            raise RuntimeError(f"{' '.join(command)} ended with {process.wait()}") from error
        self._process = process
        return process


def _ask(process: "subprocess.Popen[bytes]", question: object) -> tuple[bool, Any]:
    """Return whether a function returned, and its value, or the error that it raised."""
    assert process.stdin is not None  # noqa: S101 - a pipe
    assert process.stdout is not None  # noqa: S101
    pickle.dump(question, process.stdin)
    process.stdin.flush()
    answer: tuple[bool, Any] = pickle.load(process.stdout)  # noqa: S301 - from our own process
    return answer


def answer() -> None:
    """Answer the questions that arrive on the standard input, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the other process, and so this one
    with suppress(OSError):  # where memory runs out, Linux ends this process, and not the other
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what a library prints is no answer
        while True:
            try:
                function, given = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own process
            except EOFError:
                return
            try:
                said = (True, function(*given))
            except Exception as error:  # noqa: BLE001 - raised by the other process
                said = (False, error)
            pickle.dump(said, answers)
            answers.flush()


_reader = Reader()
call, close = _reader.call, _reader.close
os.register_at_fork(after_in_child=_reader.forget)
atexit.register(close)

if __name__ == "__main__":
    answer()
