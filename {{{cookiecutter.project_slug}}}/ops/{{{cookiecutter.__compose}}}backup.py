"""What the stack keeps, copied to a folder and back: `make backup` and `make restore`."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import typer

from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput

from . import stack
from .stack import docker

BACKUPS = Path("backups")
{% if cookiecutter.__databases %}
DATABASES = [{% for name in cookiecutter.__databases.split() %}{{{ ", " if not loop.first else "" }}}"{{{ name }}}"{% endfor %}]
{% endif %}
# Runs continue during a backup. Runs and databases refer to models and data, so those are copied
# last: then nothing that a copy refers to is missing.
FIRST, LAST = "runs.tar", "models.tar"
FILES = {FIRST: ["runs", "predictions"], LAST: ["models", "data"]}
# tar exits with 1 where a file changed or vanished while it was read: a run is active.
{% if cookiecutter.tracker == "trackio" %}
# A database in use is copied by SQLite, and the copy is stored in its place.
ARCHIVE = r"""
for db in models/*.db; do [ ! -e "$db" ] || python -c "
import sqlite3, sys
sqlite3.connect(sys.argv[1]).backup(sqlite3.connect(sys.argv[1] + '.copy'))" "$db"; done
tar --create --exclude '*.part' --exclude '*.db' --exclude '*.db-*' --exclude '*.lock' \
  --transform 's/\.db\.copy$/.db/' "$@" || [ $? -eq 1 ] && rm -f models/*.db.copy
"""
{% elif cookiecutter.tracker == "dvclive" %}
# A repository in use is copied by git, and the copy is stored in its place.
ARCHIVE = r"""
set -e
rm -rf models/copy.git
if [ -e models/registry.git ]; then
  git clone --quiet --mirror --no-local models/registry.git models/copy.git
  git -C models/copy.git config uploadpack.allowFilter true
fi
tar --create --exclude '*.part' --exclude 'models/registry.git' \
  --transform 's/copy\.git/registry.git/' "$@" || [ $? -eq 1 ] && rm -rf models/copy.git
"""
{% else %}
ARCHIVE = 'tar --create --exclude "*.part" "$@" || [ $? -eq 1 ]'
{% endif %}

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def backup() -> None:
    """Copy what the stack keeps to a new folder in backups/, while runs continue."""
    if not docker("compose", "ps", "--quiet", "--status=running").stdout:
        raise BadInput("The stack is not running: `make up` starts it.")
    folder = BACKUPS / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}"
    part = folder.with_suffix(".part")
    part.mkdir(parents=True, mode=0o700)
    try:
        archive(part / FIRST)
{% if cookiecutter.__databases %}
        for name in DATABASES:
            dump = ("pg_dump", "--username=postgres", "--format=custom", "--no-owner", name)
            with (part / f"{name}.dump").open("wb") as file:
                docker("compose", "exec", "-T", "postgres", *dump, stdout=file)
{% endif %}
        archive(part / LAST)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    typer.echo(f"The backup is {folder}/.")


def archive(file: Path) -> None:
    """Write one of the archives of a backup."""
    words = ("compose", "run", "--rm", "-T", "files", "-c", ARCHIVE, "tar", *FILES[file.name])
    with file.open("wb") as stream:
        docker(*words, stdout=stream)


@app.command()
def restore(folder: Path) -> None:
    """Fill an empty stack from a folder that `backup` wrote, without starting it."""
    names = [*FILES{{{ ', *(f"{name}.dump" for name in DATABASES)' if cookiecutter.__databases else '' }}}]
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise BadInput(f"{folder} is not a backup: it lacks {', '.join(missing)}.")
    stack.check()
    if docker("compose", "ps", "--all", "--quiet").stdout or stack.volumes():
        raise BadInput(
            "The stack is not empty: make sure that nothing in it is needed, and delete it with "
            "`docker compose --profile '*' down --volumes`."
        )
    stack.build()
    try:
        fill(folder)
    except BaseException:  # a stack that is half restored must not look like a whole one
        docker("compose", "--profile", "*", "down", "--volumes")
        raise
    typer.echo(f"The stack is restored from {folder}: `make up` starts it.")


def fill(folder: Path) -> None:
    """Load what a backup has."""
{% if cookiecutter.__databases %}
    docker("compose", "up", "--detach", "--wait", "postgres")
    for name in DATABASES:
        load = ("pg_restore", "--username=postgres", "--no-owner", "--exit-on-error")
        into = (f"--role={name}", f"--dbname={name}")
        with (folder / f"{name}.dump").open("rb") as file:
            docker("compose", "exec", "-T", "postgres", *load, *into, stdin=file)
{% endif %}
    for name in FILES:
        with (folder / name).open("rb") as file:
            docker("compose", "run", "--rm", "-T", "files", "-c", "tar --extract", stdin=file)


if __name__ == "__main__":
    stack.main(app)
