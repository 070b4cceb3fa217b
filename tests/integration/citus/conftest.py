"""A loader on a cluster, and its nodes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.citus import LocalNode, at, nodes_of
from tests.integration.loading.loading import Loader


@pytest.fixture
def loader(database_url: str, landing: Path) -> Loader:
    """Nothing is loaded yet."""
    found = Loader(database_url, landing)
    found.empty()
    return found


@pytest.fixture
def nodes(database_url: str) -> Iterator[list[LocalNode]]:
    """The coordinator and the workers; all of them answer again after the test."""
    found = [LocalNode.of(at(database_url, node, "postgres")) for node in nodes_of(database_url)]
    yield found
    for node in found:
        node.start()
