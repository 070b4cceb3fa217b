"""Loaders: on emptied tables of the module's database, and on a server of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shifts_platform.migrations.databases import ensure_database, migrate_trips_database
from shifts_platform.postgres.server import EmbeddedPostgres
from tests.conftest import FAST
from tests.database import allow_other_users
from tests.integration.loading.loading import Loader
from tests.integration.loading.server import Server


@pytest.fixture
def loader(database_url: str, landing: Path) -> Loader:
    """Nothing is loaded yet."""
    found = Loader(database_url, landing)
    found.empty()
    return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that a test may break."""
    allow_other_users(tmp_path)
    postgres = EmbeddedPostgres(tmp_path / "server", extra_settings=FAST)
    postgres.prepare()
    log = tmp_path / "server.log"
    yield Server(postgres, log, postgres.start(log))
    postgres.stop()


@pytest.fixture
def server_loader(server: Server, landing: Path) -> Loader:
    """A loader on that server."""
    url = server.postgres.url("trips")
    ensure_database(url)
    migrate_trips_database(url)
    return Loader(url, landing)
