"""Take the newest version of the template: what `make template-update` calls, here and on GitHub.

On GitHub, the changes become a pull request, for which this writes the text; changes to workflows
are left out of it where nobody gave a token that may make them, and shown in the text instead.
"""

import os
import subprocess
import sys
from pathlib import Path

import yaml

from {{{ cookiecutter.package_name }}}.errors import BadInput

ANSWERS = Path(".copier-answers.yml")
PAGE = Path(".git/template-update.md")
WORKFLOWS = ".github/workflows"
COPIER = [os.environ.get("UV") or "uv", "tool", "run", "copier"]


def main() -> None:
    """Update where there is a newer version; say what to do with it."""
    source = answers()["_src_path"]
    if Path(source).expanduser().is_dir() and os.environ.get("GITHUB_ACTIONS"):
        raise BadInput(f"{ANSWERS} names a folder, {source}: set _src_path to the git address.")
    checked = copier("check-update", "--quiet")
    if checked.returncode == 0:
        print(f"This is the newest version, {answers()['_commit']}.")
        return
    if checked.returncode != 2:
        sys.exit(checked.stderr.strip())
    before = answers()["_commit"]
    updated = copier("update", "--defaults")
    if updated.returncode:
        sys.exit(updated.stderr.strip())
    conflicts = git("diff", "--name-only", "--diff-filter=U").split()
    git("reset", "--quiet")  # from now on, a conflict is text in a file
    page = [f"From {before} to {answers()['_commit']} of {source}.", ""]
    page += [*mend(conflicts), ""] if conflicts else []
    if os.environ.get("MAY_CHANGE_WORKFLOWS") == "false":
        page += leave_workflows_out()
    page += ['Then `uv lock --upgrade`, and the rest of "Upgrade" in README.md.']
    PAGE.write_text("\n".join(page) + "\n", encoding="utf-8")
    print(*page, sep="\n")
    if outputs := os.environ.get("GITHUB_OUTPUT"):
        with Path(outputs).open("a", encoding="utf-8") as file:
            file.write(f"version={answers()['_commit']}\npage={PAGE}\n")


def answers() -> dict[str, str]:
    """Return what this project was made from.

    Raises:
        BadInput: it does not say so.
    """
    read: dict[str, str] = yaml.safe_load(ANSWERS.read_text(encoding="utf-8"))
    if lacking := [name for name in ("_src_path", "_commit") if not read.get(name)]:
        raise BadInput(
            f"{ANSWERS} lacks {' and '.join(lacking)}: the template's git address, and its version "
            "that this project was made from."
        )
    return read


def copier(*words: str) -> subprocess.CompletedProcess[str]:
    """Run Copier."""
    return subprocess.run([*COPIER, *words], capture_output=True, text=True, check=False)  # noqa: S603


def git(*words: str) -> str:
    """Return what a command of git's says."""
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout  # noqa: S603, S607


def mend(conflicts: list[str]) -> list[str]:
    """Return what is to be said of files in which both sides changed the same lines."""
    return [
        "Both sides changed the same lines of these files: choose, where `<<<<<<<` stands.",
        "",
        *(f"- `{name}`" for name in conflicts),
    ]


def leave_workflows_out() -> list[str]:
    """Undo what the update did to workflows; return what is to be said of it."""
    git("add", "--intent-to-add", WORKFLOWS)
    changes = git("diff", "--", WORKFLOWS)
    if not changes:
        return []
    git("reset", "--quiet")
    git("checkout", "HEAD", "--", WORKFLOWS)
    git("clean", "--force", "--quiet", "--", WORKFLOWS)
    return [
        "GitHub lets no workflow change workflows with its own token, so these changes are **left "
        "out**. Apply them by hand with `git apply`, or set `TEMPLATE_UPDATE_TOKEN` "
        "(docs/delivery.md) and run this again before you merge.",
        "",
        "```diff",
        changes.rstrip("\n"),
        "```",
        "",
    ]


if __name__ == "__main__":
    try:
        main()
    except BadInput as error:
        sys.exit(f"error: {error}")
