"""Show runs of the pipeline and experiments of DVC in one table: `make experiments`.

It fetches the runs, with their models, into `.git` of this project, as experiments of their own:
no branch and no file changes.
"""

import subprocess
import sys

from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput, exit_if_refused
from {{{ cookiecutter.package_name }}}.runtime.registry import git_client

from .git import git

HIDDEN = (
    *("Created", "champion_", "source", "runs", "keep_runs", "predictions", "run_id", "model_name"),
    *("data_version", "code_version", "method", "alerts", "deadlines", "seed"),
    *("data/", "src/", "experiment/"),
)
"""How the names of columns begin that say little about a result."""


def main() -> None:
    """Fetch the runs, and let DVC print the table."""
    git_client.answers()  # else say why
    if not git_client.exists():
        raise BadInput("No run has been logged yet: `make run` does.")
    with git_client.scratch() as repository:
        root = repository.root
        runs = repository.ref("*")
    fetch = ("fetch", "--quiet", "--no-tags", "--prune", git_client.url(), f"+{runs}:{runs}")
    git(*fetch, **git_client.credentials())
    table = ["exp", "show", "--no-pager", "--rev", "HEAD", "--rev", root]
    hidden = ["--drop", f"({'|'.join(HIDDEN)})"]
    sys.exit(subprocess.run([".venv/bin/dvc", *table, *hidden], check=False).returncode)  # noqa: S603


if __name__ == "__main__":
    with exit_if_refused():
        main()
