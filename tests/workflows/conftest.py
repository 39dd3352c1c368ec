"""What the tests of rendered workflows share."""

from collections.abc import Iterator

import pytest

from tests.projects import need_docker
from tests.workflows import registry as registries


@pytest.fixture(scope="session")
def registry() -> Iterator[str]:
    """Return the address of a registry that stands in for GitHub's."""
    need_docker()
    with registries.registry() as address:
        yield address
