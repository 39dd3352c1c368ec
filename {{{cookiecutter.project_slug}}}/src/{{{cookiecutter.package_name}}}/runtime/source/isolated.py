"""Call functions that read files in a process of its own, which a damaged file may end.

On some damaged files, libraries in compiled code abort. What could be read there is safe to read
here.
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
from typing import Any, BinaryIO, TypeVar

Returned = TypeVar("Returned")

ENDED = (OSError, EOFError, pickle.UnpicklingError)
"""What is raised where the process ends before it has answered."""

TRIES = 2
"""Retry once: the first crash may have another cause."""

CRASHES = {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE}
"""Signals of which the file is the cause. Others come from outside, as where memory runs out."""

PATIENCE = 10
"""Seconds in which a process ends that gives no answer; then it is killed."""


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
        self._answers: BinaryIO | None = None

    def call(self, function: Callable[..., Returned], name: str, *given: Any) -> Returned:
        """Return what a function of `formats.py` returns of the file `name`; raise what it raises.

        Raises:
            polars.exceptions.ComputeError: the file crashes the process.
            RuntimeError: the process does not start, or was killed; a retry may help.
        """
        import polars as pl

        with self._lock:
            codes = []
            for _ in range(TRIES):
                if self._process is None:
                    self._start()
                try:
                    returned, value = self._ask((function, (name, *given)))
                except ENDED:
                    codes.append(self._code())
                    continue
                except BaseException:  # interrupted
                    self.close()
                    raise
                if not returned:
                    raise value
                result: Returned = value
                return result
        for code in codes:
            if code < 0 and -code not in CRASHES:
                raise RuntimeError(
                    f"The process that reads {name} was killed with {_in_words(code)}. Out of "
                    "memory? Free some, and retry."
                )
        raise pl.exceptions.ComputeError(
            f"{name} is not readable: it ends the process that reads it, with "
            f"{_in_words(codes[-1])}"
        )

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None and self._answers is not None:
            self._process.kill()
            self._process.wait()
            self._answers.close()
            self._process = self._answers = None

    def _code(self) -> int:
        """End the process, and return its exit code, negative where a signal ended it."""
        assert self._process is not None  # noqa: S101 - it was asked
        process = self._process
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
        self.close()
        return process.returncode

    def _start(self) -> None:
        ours, its = os.pipe()
        command = [sys.executable, "-m", __name__]
        self._process = subprocess.Popen(  # noqa: S603
            [*command, str(its)],
            stdin=subprocess.PIPE,
            stdout=2,  # what a library prints is no answer
            pass_fds=[its],
            env={**os.environ, "RUST_BACKTRACE": "0"},  # of Polars
        )
        os.close(its)
        self._answers = os.fdopen(ours, "rb")
        try:
            self._ask((len, ("ready",)))
        except ENDED as error:
            raise RuntimeError(f"{' '.join(command)} ended with {self._code()}") from error

    def _ask(self, question: object) -> tuple[bool, Any]:
        """Return whether a function returned, and its value, or the error that it raised."""
        assert self._process is not None  # noqa: S101 - started
        assert self._process.stdin is not None  # noqa: S101 - a pipe
        assert self._answers is not None  # noqa: S101
        pickle.dump(question, self._process.stdin)
        self._process.stdin.flush()
        answer: tuple[bool, Any] = pickle.load(self._answers)  # noqa: S301 - from our own process
        return answer


def _in_words(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def answer(pipe: int) -> None:
    """Answer the questions that arrive on the standard input, until it is closed."""
    os.set_inheritable(pipe, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the other process, and so this one
    with suppress(OSError):  # where memory runs out, Linux ends this process, and not the other
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    with os.fdopen(pipe, "wb") as answers:
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
    answer(int(sys.argv[1]))
