"""Where other machines reach the service, it does not start without a key, unless a setting says so."""

from pathlib import Path

import httpx
import psycopg
import pytest

from shifts_core.access.rights import Rights
from shifts_platform.keys import add_key
from tests.integration.api.running import Service, running, wait_until

EVERYWHERE = {"SHIFTS_API_HOST": "0.0.0.0"}
REFUSAL = (
    "SHIFTS_API_HOST is reachable from other machines and no API key exists: set SHIFTS_API_KEY, add a key with"
    " `shifts keys add`, or set SHIFTS_API_OPEN_READS=true\n"
)


@pytest.fixture
def beyond(database_url: str, dagster_database_url: str, landing: Path, tmp_path: Path) -> Service:
    """A service that listens on every address, not started yet."""
    return Service(database_url, dagster_database_url, landing, tmp_path / "api.log", EVERYWHERE)


def test_without_a_key_it_does_not_start_and_says_so_in_one_line(beyond: Service) -> None:
    with pytest.raises(AssertionError):
        beyond.start()
    assert beyond.stop() == 1
    assert beyond.log.read_text() == REFUSAL


def test_open_reads_are_a_choice(beyond: Service) -> None:
    beyond.more = EVERYWHERE | {"SHIFTS_API_OPEN_READS": "true"}
    with running(beyond):
        assert httpx.get(f"{beyond.api}/regions").status_code == 200


def test_with_the_key_of_the_setting_it_starts(beyond: Service) -> None:
    beyond.more = EVERYWHERE | {"SHIFTS_API_KEY": "key"}
    with running(beyond):
        assert httpx.get(f"{beyond.api}/regions").status_code == 401
        assert httpx.get(f"{beyond.api}/regions", headers={"Authorization": "Bearer key"}).status_code == 200


def test_with_a_stored_key_it_starts_and_stays_closed_when_all_keys_are_lost(
    beyond: Service, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        add_key(connection, "stored", Rights("reader"))
        with running(beyond):
            assert httpx.get(f"{beyond.api}/regions").status_code == 401
            connection.execute("DELETE FROM shifts_store.api_keys")
            wait_until(lambda: httpx.get(f"{beyond.api}/regions").status_code == 403, 10)
            assert httpx.get(f"{beyond.api}/regions").json() == {"message": REFUSAL.strip()}
