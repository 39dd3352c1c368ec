"""Git, as the scripts behind `make` call it."""

import os
import subprocess

from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput, redact


def git(*words: str, **variables: str) -> str:
    """Return the output of a git command, run with these variables.

    Raises:
        BadInput: git fails or is missing; the message repeats what git says.
    """
    try:
        done = subprocess.run(  # noqa: S603
            ["git", *words],  # noqa: S607
            capture_output=True, text=True, check=False, env=os.environ | variables,
        )  # fmt: skip
    except FileNotFoundError:
        raise BadInput("git is not installed: on Debian, `apt install git`.") from None
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
        raise BadInput(redact(f"`git {' '.join(words)}` failed: {said}"))
    return done.stdout.removesuffix("\n")


def diff(*words: str) -> str:
    """Return a diff that `git apply` takes, whatever the machine's settings are."""
    plain = ("--no-color", "--no-ext-diff", "--src-prefix=a/", "--dst-prefix=b/")
    return git("diff", *plain, *words)
