"""A server notices that a client's machine is gone, on every connection that can hold locks."""

import ast
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

import shifts_pipeline
from shifts_pipeline.storage import database
from shifts_platform.migrations.databases import migrate_dagster_database, migrate_trips_database
from shifts_platform.postgres.server import EmbeddedPostgres
from tests.conftest import dagster_instance

SETTINGS = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20000",
    "client_connection_check_interval": "10s",
}
PIPELINE = Path(shifts_pipeline.__file__).parent


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg2"])
def test_connections_of_the_pipeline_have_keepalives_on_both_ends(database_url: str, driver: str) -> None:
    url = make_url(database_url).set(drivername=driver).update_query_dict({"options": "-c work_mem=5MB"})
    address = url.render_as_string(hide_password=False)
    with database.connect(address) as connection:
        for name, value in {**SETTINGS, "work_mem": "5MB"}.items():
            assert connection.execute(f"SHOW {name}".encode()).fetchone() == (value,)
        given = connection.info.get_parameters()
        assert given["keepalives_idle"] == "10"
        assert given["tcp_user_timeout"] == "20000"


def test_the_pipeline_opens_no_other_connections() -> None:
    for path in PIPELINE.rglob("*.py"):
        opens = any(
            isinstance(node, ast.Call) and ast.unparse(node.func) in {"psycopg.connect", "create_engine"}
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        )
        assert not opens or path.name == "database.py", path


def test_sessions_of_a_migrated_database_have_keepalives(postgres_server: EmbeddedPostgres) -> None:
    names = ("keepalives_trips", "keepalives_dagster")
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as admin:
        try:
            for name in names:
                admin.execute(f"CREATE DATABASE {name}".encode())
            trips, dagster = (postgres_server.url(name) for name in names)
            migrate_trips_database(trips)
            with dagster_instance(dagster):
                migrate_dagster_database(dagster)
            for url in (trips, dagster):
                with psycopg.connect(url) as connection:
                    for name, value in SETTINGS.items():
                        assert connection.execute(f"SHOW {name}".encode()).fetchone() == (value,)
        finally:
            for name in names:
                admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
