"""A loader on emptied tables of the module's database."""

from pathlib import Path

import pytest

from tests.integration.loading.loading import Loader


@pytest.fixture
def loader(database_url: str, landing: Path) -> Loader:
    """Nothing is loaded yet."""
    found = Loader(database_url, landing)
    found.empty()
    return found
