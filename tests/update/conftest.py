"""The releases, made once for all tests of updates."""

import pytest

from tests.shell import Shell
from tests.update.releases import Releases


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    """Return the template's releases, in a home of their own."""
    releases = Releases(Shell(tmp_path_factory.mktemp("home")))
    releases.make()
    return releases
