"""The releases, made once for all tests of updates."""

from pathlib import Path

import pytest

from tests.shared import once
from tests.shell import Shell
from tests.update.releases import Releases


@pytest.fixture(scope="session")
def releases(shared: Path) -> Releases:
    """Return the template's releases, in a home of their own."""
    home = shared / "releases"
    releases = Releases(Shell(home))
    once(home, releases.make)
    return releases
