"""Empty databases on the server of the tests, and dumps of schemas."""

import subprocess
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql

from shifts_platform.postgres.programs import find_programs
from shifts_platform.postgres.server import EmbeddedPostgres

NewDatabase = Callable[[str], str]
"""Creates an empty database of that name and returns its URL."""


@pytest.fixture
def new_database(postgres_server: EmbeddedPostgres) -> Iterator[NewDatabase]:
    """Creates databases that are dropped after the test."""
    names: list[str] = []

    def create(name: str, template: str = "template1") -> str:
        names.append(name)
        _as_admin(postgres_server, "CREATE DATABASE {} TEMPLATE {}", name, template)
        return postgres_server.url(name)

    yield create
    for name in names:
        _as_admin(postgres_server, "DROP DATABASE {} WITH (FORCE)", name)


def dump_schema(url: str) -> str:
    """Returns the schema as pg_dump writes it."""
    command = [str(find_programs() / "pg_dump"), "--schema-only", "--dbname", url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # These two lines contain a random token.
    return "\n".join(
        line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))
    )


def _as_admin(server: EmbeddedPostgres, statement: str, *names: str) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
