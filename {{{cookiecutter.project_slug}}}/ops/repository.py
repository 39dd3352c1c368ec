"""Make the git repository of a new project, with a first commit: `make setup`.

A repository that contains this folder stays unchanged.
"""

import shutil
import sys
from pathlib import Path

from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput, exit_if_refused

from .git import git

COMMIT = ("commit", "--quiet", "--message", "Render the template")
UNCHECKED = ("-c", "commit.gpgSign=false", "-c", "core.hooksPath=/dev/null")


def main() -> None:
    """Make the repository where there is none, or nothing.

    Raises:
        BadInput: git refuses the first commit.
    """
    if Path(".git").exists() or has_repository():
        return  # also one that git cannot read: it is not ours to remove
    try:
        make_repository()
    except BaseException:
        shutil.rmtree(".git", ignore_errors=True)  # without a commit, nobody would make one
        raise


def has_repository() -> bool:
    """Return whether a repository tracks this folder, or could."""
    try:
        git("-c", "safe.directory=*", "rev-parse", "--git-dir")  # somebody else's counts, too
    except BadInput:
        return False
    try:
        git("check-ignore", "--quiet", ".")
    except BadInput:
        return True
    return False


def make_repository() -> None:
    """Make the repository and the first commit."""
    git("init", "--quiet")
    git("symbolic-ref", "HEAD", "refs/heads/main")  # of any version, whatever its default is
    git("add", "--all")
    author = identity()
    try:
        git(*COMMIT, **author)
    except BadInput as error:
        git(*UNCHECKED, *COMMIT, **author)
        print(f"The first commit is not signed, and no hook checked it: {error}", file=sys.stderr)
    print("Made a git repository with a first commit.")


def identity() -> dict[str, str]:
    """Return the variables of an author where git knows none.

    They are asked for within the repository, as git's settings may depend on where it is.
    """
    try:
        for who in ("AUTHOR", "COMMITTER"):
            git("-c", "user.useConfigOnly=true", "var", f"GIT_{who}_IDENT")
    except BadInput:
        return {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "setup"), ("EMAIL", "setup@localhost"))
        }
    return {}


if __name__ == "__main__":
    with exit_if_refused():
        main()
