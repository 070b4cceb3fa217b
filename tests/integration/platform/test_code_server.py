"""The code server that starts beside the migration of the databases."""

import os
import subprocess
from pathlib import Path

from shifts_platform.child_processes import code_server
from shifts_platform.code_server import WAITING
from shifts_platform.migrations.databases import database_exists, migrate_all
from shifts_platform.ports import free_port
from shifts_platform.postgres.server import EmbeddedPostgres
from tests.integration.platform.running import new_environment, wait_until


def test_the_code_server_touches_no_database_before_it_is_migrated(
    tmp_path: Path, postgres_server: EmbeddedPostgres
) -> None:
    trips, dagster = (postgres_server.url(name) for name in ("unmigrated", "unmigrated_dagster"))
    environment = new_environment(tmp_path / "data") | {
        "SHIFTS_DATABASE_URL": trips,
        "SHIFTS_DAGSTER_DATABASE_URL": dagster.replace("postgresql://", "postgresql+psycopg2://"),
        "SHIFTS_LANDING_URL": str(tmp_path / "landing"),
        "SHIFTS_CODE_SERVER_HOST": "127.0.0.1",
        "SHIFTS_CODE_SERVER_PORT": str(free_port()),
        "DAGSTER_HOME": str(tmp_path / "data" / "dagster"),
        "PYTHONUNBUFFERED": "1",
    }
    spec = code_server(environment)
    log = tmp_path / "code_server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            spec.command, env={**os.environ, **environment}, stdout=output, stderr=output
        )
    try:
        wait_until(lambda: process.poll() is not None or WAITING in log.read_text())
        assert not database_exists(trips)
        assert not database_exists(dagster)
        migrate_all(environment, tmp_path / "data")
        wait_until(lambda: process.poll() is not None or spec.is_ready())
        assert process.poll() is None, log.read_text()
    finally:
        process.kill()
        process.wait()
