"""A running service for each test module."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.integration.api.access_world import World, world_of
from tests.integration.api.running import Service, running


@pytest.fixture(scope="module")
def service(
    database_url: str, dagster_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The service, without an API key."""
    folder = tmp_path_factory.mktemp("service")
    landing = folder / "landing"
    landing.mkdir()
    with running(Service(database_url, dagster_database_url, landing, folder / "api.log")) as found:
        yield found


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx.Client]:
    """A client with the base URL of the API."""
    with httpx.Client(base_url=service.api, timeout=20) as found:
        yield found


@pytest.fixture(scope="module")
def world(
    database_url: str, dagster_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """A service with keys of each role, and rows of two regions."""
    with world_of(database_url, dagster_database_url, tmp_path_factory.mktemp("world")) as found:
        yield found


@pytest.fixture
def trips_db(database_url: str) -> Iterator[psycopg.Connection]:
    """A connection to the trips database as its owner."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def outbox(dagster_database_url: str) -> Iterator[psycopg.Connection]:
    """A connection to Dagster's database as its owner."""
    with psycopg.connect(dagster_database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def landing_folder(service: Service) -> Path:
    """The service's landing folder."""
    return service.landing
