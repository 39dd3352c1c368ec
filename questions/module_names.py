"""List the modules that a package must not hide: `make module-names`, after a change of versions.

It installs the project of each orchestrator and of each tracker, and writes one name per line, in
lower case: modules, and distributions with underscores for dashes.
"""

import json
import shutil
import subprocess
import tempfile
import tomllib
from pathlib import Path

from cookiecutter.main import cookiecutter

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
ANSWERS = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
UV = shutil.which("uv") or str(ROOT / ".uv/bin/uv")

STANDARD_LIBRARY = "import sys; print(*sys.stdlib_module_names, 'test')"
INSTALLED = """
from importlib.metadata import packages_distributions
print(*(name.split(".")[0] for name in packages_distributions() if name.isidentifier()))
"""


def main() -> None:
    """Write both lists."""
    standard = [
        run(UV, "run", "--no-project", "--python", version, "python", "-c", STANDARD_LIBRARY)
        for version in ANSWERS["python_version"]
    ]
    write("standard_library", " ".join(standard).split())
    with tempfile.TemporaryDirectory() as folder:
        installed = [
            installed_names(Path(folder) / name, **{question: name})
            for question in ("orchestrator", "tracker")
            for name in ANSWERS[question]
        ]
    write("installed", sorted(set().union(*installed) - {"my_pipeline"}))


def installed_names(folder: Path, **answers: str) -> set[str]:
    """Return the names that a project installs here, or would install on another platform."""
    answers |= {"source": "sql"}
    project = cookiecutter(str(ROOT), no_input=True, extra_context=answers, output_dir=folder)
    run(UV, "sync", "--quiet", "--all-groups", folder=Path(project))
    python = Path(project) / ".venv/bin/python"
    locked = tomllib.loads((Path(project) / "uv.lock").read_text(encoding="utf-8"))["package"]
    distributions = {package["name"].replace("-", "_") for package in locked}
    return distributions | set(run(str(python), "-c", INSTALLED).split())


def run(*command: str, folder: Path = ROOT) -> str:
    """Return the output of a command."""
    return subprocess.run(command, cwd=folder, text=True, check=True, stdout=subprocess.PIPE).stdout


def write(kind: str, names: list[str]) -> None:
    """Write the names that a package could have."""
    usable = {name.lower() for name in names if name[0].isalpha()}
    (HERE / f"{kind}.txt").write_text("\n".join(sorted(usable)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
