"""Take the newest version of the template: what `make template-update` calls, here and on GitHub.

On GitHub, the changes become a pull request, for which this writes the text; changes to workflows
are left out of it where nobody gave a token that may make them, and shown in the text instead.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from {{{ cookiecutter.package_name }}}.runtime.errors import BadInput

ANSWERS = Path(".copier-answers.yml")
WORKFLOWS = ".github/workflows"
UV = os.environ.get("UV") or "uv"
# The version in uv.lock: the process may have a token that changes workflows.
COPIER = [UV, "run", "--quiet", "--frozen", "--isolated", "--only-group", "template", "copier"]


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
        raise BadInput(reason(checked))
    before = answers()["_commit"]
    updated = copier("update", "--defaults")
    if updated.returncode:
        raise BadInput(reason(updated))
    unmerged = git("diff", "--name-only", "--diff-filter=U", "--relative", "-z")
    conflicts = unmerged.split("\0")[:-1]
    left_out: list[str] = []
    if os.environ.get("MAY_CHANGE_WORKFLOWS") == "false":
        in_workflows = [name for name in conflicts if name.startswith(f"{WORKFLOWS}/")]
        conflicts = [name for name in conflicts if name not in in_workflows]
        left_out = leave_workflows_out(in_workflows)
    if outputs := os.environ.get("GITHUB_OUTPUT"):
        git("reset", "--quiet")  # the action that commits takes text, and no conflicts
    page = [f"From {before} to {answers()['_commit']} of {source}.", ""]
    page += [*marked(conflicts), *left_out]
    page += [] if "pyproject.toml" in conflicts else lock()
    page += ['Then do what "Upgrade" in README.md says after `copier update`.']
    print(*page, sep="\n")
    if outputs:
        file = Path(os.environ["RUNNER_TEMP"]) / "template-update.md"
        file.write_text("\n".join(page) + "\n", encoding="utf-8")
        with Path(outputs).open("a", encoding="utf-8") as said:
            said.write(f"version={answers()['_commit']}\npage={file}\n")


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


def reason(failed: subprocess.CompletedProcess[str]) -> str:
    """Return why Copier failed: what git said to it, or the last line of its traceback."""
    of_git = re.search(r"fatal: .*", failed.stderr)
    last = of_git[0] if of_git else failed.stderr.strip().rpartition("\n")[2]
    return f"Copier: {last}"


def marked(conflicts: list[str]) -> list[str]:
    """Return what is to be said of files in which both sides changed the same lines."""
    if not conflicts:
        return []
    return [
        "Both sides changed the same lines of these files: choose, where `<<<<<<<` stands.",
        "",
        *(f"- `{name}`" for name in conflicts),
        "",
    ]


def lock() -> list[str]:
    """Lock what pyproject.toml asks for now, as CI wants it; return what is to be said of it."""
    done = subprocess.run([UV, "lock", "--quiet"], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode == 0:
        return []
    return ["`uv lock` fails, and CI will:", "", "```", done.stderr.strip(), "```", ""]


def leave_workflows_out(conflicts: list[str]) -> list[str]:
    """Undo what the update did to workflows; return what is to be said of it."""
    # Of a conflict, git's index has the template's old file, 1, and its new one, 3.
    changes = "".join(git("diff", f":1:{name}", f":3:{name}") for name in conflicts)
    if conflicts:
        git("checkout", "HEAD", "--", *conflicts)
    git("add", "--intent-to-add", WORKFLOWS)
    changes += git("diff", "--", WORKFLOWS)
    if not changes:
        return []
    git("reset", "--quiet", "--", WORKFLOWS)
    git("checkout", "HEAD", "--", WORKFLOWS)
    git("clean", "--force", "--quiet", "--", WORKFLOWS)
    return [
        "GitHub lets no workflow change workflows with its own token, so these changes are **left "
        "out**. Apply them by hand with `git apply`, or set `TEMPLATE_UPDATE_TOKEN` "
        "(docs/delivery.md) and run this again before you merge.",
        "",
        *(f"- `{name}`: you changed the same lines; use an editor." for name in conflicts),
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
