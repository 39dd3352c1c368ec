"""Update to the newest version of the template: `make template-update`, here and on GitHub.

On GitHub, the changes become a pull request, for which this writes the text. Without a token that
may change workflows, changes to them are left out and shown in the text.
"""

import os
import re
import subprocess
from pathlib import Path

import yaml

from {{{ cookiecutter.package_name }}}.runtime.errors import (
    BadInput,
    exit_if_refused,
    redact,
)

from .git import diff, git

ANSWERS = Path(".copier-answers.yml")
WORKFLOWS = ".github/workflows"
UV = os.environ.get("UV") or "uv"
# The version in uv.lock: the process may have a token that changes workflows.
COPIER = [UV, "run", "--quiet", "--frozen", "--isolated", "--only-group", "template", "copier"]


def main() -> None:
    """Update if there is a newer version, and print what to do with the changes."""
    source = answers()["_src_path"]
    if Path(source).expanduser().is_dir() and os.environ.get("GITHUB_ACTIONS"):
        raise BadInput(f"{ANSWERS} names a folder, {source}: set _src_path to the git address.")
    before = answers()["_commit"]
    if not update():
        print(f"This is the newest version, {before}.")
        return
    conflicts = diff("--name-only", "--diff-filter=U", "--relative", "-z").split("\0")[:-1]
    left_out: list[str] = []
    if os.environ.get("MAY_CHANGE_WORKFLOWS") == "false":
        in_workflows = [name for name in conflicts if name.startswith(f"{WORKFLOWS}/")]
        conflicts = [name for name in conflicts if name not in in_workflows]
        left_out = leave_workflows_out(in_workflows)
    page = [f"From {before} to {answers()['_commit']} of {source}.", ""]
    page += [*marked(conflicts), *left_out]
    page += [] if "pyproject.toml" in conflicts else lock()
    page += ['Then do what "Upgrade" in README.md says after `copier update`.']
    print(*page, sep="\n")
    if outputs := os.environ.get("GITHUB_OUTPUT"):
        hand_over(page, Path(outputs))


def update() -> bool:
    """Update with Copier; return whether there was a newer version.

    Raises:
        BadInput: Copier failed.
    """
    checked = copier("check-update", "--quiet")
    if checked.returncode == 0:
        return False
    if checked.returncode != 2:
        raise BadInput(reason(checked))
    updated = copier("update", "--defaults")
    if updated.returncode:
        raise BadInput(reason(updated))
    return True


def hand_over(page: list[str], outputs: Path) -> None:
    """Give the text of the pull request, and the version, to the next steps of the workflow."""
    git("reset", "--quiet")  # the next step commits files with their conflict markers
    file = Path(os.environ["RUNNER_TEMP"]) / "template-update.md"
    file.write_text("\n".join(page) + "\n", encoding="utf-8")
    with outputs.open("a", encoding="utf-8") as stream:
        stream.write(f"version={answers()['_commit']}\npage={file}\n")


def answers() -> dict[str, str]:
    """Return Copier's record of the template and the version that this project comes from.

    Raises:
        BadInput: one of them is missing.
    """
    read: dict[str, str] = yaml.safe_load(ANSWERS.read_text(encoding="utf-8"))
    if missing := [name for name in ("_src_path", "_commit") if not read.get(name)]:
        raise BadInput(
            f"{ANSWERS} lacks {' and '.join(missing)}: add the template's git address, and the "
            "version that this project was rendered from."
        )
    return read


def copier(*words: str) -> subprocess.CompletedProcess[str]:
    """Run Copier."""
    return subprocess.run([*COPIER, *words], capture_output=True, text=True, check=False)  # noqa: S603


def reason(failed: subprocess.CompletedProcess[str]) -> str:
    """Return why Copier failed: the error of git, or the last line of its traceback."""
    of_git = re.search(r"fatal: .*", failed.stderr)
    last = of_git[0] if of_git else failed.stderr.strip().rpartition("\n")[2]
    return redact(f"Copier: {last}")


def marked(conflicts: list[str]) -> list[str]:
    """Return the lines on files in which both sides changed the same lines."""
    if not conflicts:
        return []
    return [
        "Both sides changed the same lines of these files: resolve the conflicts at `<<<<<<<`.",
        "",
        *(f"- `{name}`" for name in conflicts),
        "",
    ]


def lock() -> list[str]:
    """Update uv.lock, which CI requires; return the lines on a failure."""
    done = subprocess.run([UV, "lock", "--quiet"], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode == 0:
        return []
    return ["`uv lock` fails, and so will CI:", "", "```", redact(done.stderr.strip()), "```", ""]


def leave_workflows_out(conflicts: list[str]) -> list[str]:
    """Undo the changes to workflows; return the lines that show them."""
    # For a conflict, git's index has the template's old file as 1 and its new one as 3.
    changes = [diff(f":1:./{name}", f":3:./{name}") for name in conflicts]
    if conflicts:
        git("checkout", "HEAD", "--", *conflicts)
    git("add", "--intent-to-add", WORKFLOWS)
    changes += filter(None, [diff("--", WORKFLOWS)])
    if not changes:
        return []
    git("reset", "--quiet", "--", WORKFLOWS)
    git("checkout", "HEAD", "--", WORKFLOWS)
    git("clean", "--force", "--quiet", "--", WORKFLOWS)
    return [
        "GitHub's own token may not change workflows, so these changes are **left out**. Apply "
        "them with `git apply`, or set `TEMPLATE_UPDATE_TOKEN` (docs/delivery.md) and run this "
        "again before you merge.",
        "",
        *(f"- `{name}`: you changed the same lines; use an editor." for name in conflicts),
        "```diff",
        *changes,
        "```",
        "",
    ]


if __name__ == "__main__":
    with exit_if_refused():
        main()
