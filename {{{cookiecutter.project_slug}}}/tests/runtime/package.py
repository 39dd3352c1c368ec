"""The package under test: this project's runtime, with the modules of `domain/` for the team's six.

So the tests of the runtime pass whatever the team writes. A process cannot have both packages:
these tests run on their own, and `pytest.ini` makes this module a plugin of theirs.
"""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

NAME = "{{{ cookiecutter.package_name }}}"
PROJECT = Path(__file__).parents[2]
DOMAIN = Path(__file__).with_name("domain")
OWN = PROJECT / "src" / NAME


def pytest_load_initial_conftests() -> None:
    """Let this process and those it starts, pytest's workers too, import the package under test."""
    folder = tempfile.mkdtemp(prefix="runtime-tests-")
    atexit.register(shutil.rmtree, folder)
    package = Path(folder) / NAME
    package.mkdir()
    for module in (OWN / "__init__.py", OWN / "__main__.py", OWN / "runtime", *DOMAIN.glob("*.py")):
        (package / module.name).symlink_to(module)
    theirs = {path.stem for path in OWN.iterdir() if not path.name.startswith("_")}
    for name in theirs - {"sample", *(path.stem for path in package.iterdir())}:
        (package / f"{name}.py").symlink_to(Path(__file__).with_name("own_step.py"))
    sys.path.insert(0, folder)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([folder, *([before] if before else [])])
