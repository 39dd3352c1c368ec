"""The template as its users know it: a git repository with a tag, at an address."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]
ADDRESS = "gh:me/ml-pipeline-template"
TREE = "{{{cookiecutter.project_slug}}}"


@dataclass(frozen=True)
class Shell:
    """Starts programs with an empty home; git finds `ADDRESS` in a folder of this machine."""

    home: Path

    def __call__(
        self, *command: str | Path, cwd: Path | None = None, ok: bool = True
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=cwd or self.home,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert not ok or done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done

    def environment(self) -> dict[str, str]:
        others = ("GIT_", "XDG_", "COPIER", "ALERT_", "WANDB_")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(others)}
        return kept | {
            "HOME": str(self.home),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            # Copier removes from its cache what another process is about to use.
            "COPIER_CACHE_DIR": str(self.home / f".cache/copier-{os.getpid()}"),
            "GOMP_SPINCOUNT": "500",  # as the Makefile of a project sets it
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{self.home / 'template'}.insteadOf",
            "GIT_CONFIG_VALUE_0": "https://github.com/me/ml-pipeline-template.git",
            **{f"GIT_{who}_NAME": "Ada" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "ada@example.com" for who in ("AUTHOR", "COMMITTER")},
        }

    def commit(self, repository: Path, message: str, tag: str | None = None) -> None:
        self("git", "init", "-q", "-b", "main", cwd=repository)
        self("git", "add", "-A", cwd=repository)
        self("git", "commit", "-qm", message, cwd=repository)
        if tag:
            self("git", "tag", tag, cwd=repository)

    def cookiecutter(
        self, out: Path, *words: str, template: str = ADDRESS, **answers: str
    ) -> subprocess.CompletedProcess[str]:
        """Render into a folder of `out` that is named as the project."""
        given = [f"{name}={text}" for name, text in answers.items()]
        # It deletes its clone of the template, and makes another.
        with FileLock(self.home / "cookiecutter.lock"):
            return self("cookiecutter", template, "--no-input", "-o", out, *words, *given, ok=False)

    def copier(
        self, out: Path, *words: str, template: str = ADDRESS, **answers: str
    ) -> subprocess.CompletedProcess[str]:
        """Render into `out` itself."""
        given = [f"--data={name}={text}" for name, text in answers.items()]
        return self("copier", "copy", "-q", "--defaults", *words, *given, template, out, ok=False)


def change(file: Path, old: str, new: str, count: int = 1) -> None:
    """Replace a text that stands in a file exactly `count` times."""
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == count, f"{file.name} has {old!r} {text.count(old)} times"
    file.write_text(text.replace(old, new), encoding="utf-8")


def copy_template(target: Path) -> None:
    """Copy the files of the working tree that git does not ignore, uncommitted changes too."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
