"""A temporary PostGIS server for one measurement, with the size and durability of the platform's own."""

import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import psutil
import psycopg

from shifts_platform.environment import environment_of
from shifts_platform.migrations.databases import migrate_all
from shifts_platform.postgres.server import EmbeddedPostgres
from shifts_platform.settings import PlatformSettings


@contextmanager
def measured_server() -> Iterator[tuple[dict[str, str], Path]]:
    """The settings of a platform on a temporary server with both databases migrated, and a folder for files."""
    with tempfile.TemporaryDirectory(prefix="shifts-bench-") as name:
        folder = Path(name)
        # The server may run as another user.
        folder.chmod(0o755)
        server = EmbeddedPostgres(folder / "postgres")
        server.prepare()
        server.start(folder / "postgres.log")
        try:
            settings = PlatformSettings(
                data_dir=folder,
                database_url=server.url("trips"),
                dagster_database_url=server.url("trips_dagster"),
                landing_url=str(folder / "landing"),
            )
            environment = environment_of(settings, server)
            migrate_all(environment, folder)
            yield environment, folder
        finally:
            server.stop()


def machine(url: str | None = None) -> str:
    """Date, machine and, with a URL, the database server, in one line."""
    memory = psutil.virtual_memory().total / 2**30
    server = "" if url is None else _server(url)
    return (
        f"{date.today()}, {os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB,{server}"  # noqa: DTZ011
        f" Python {platform.python_version()}"
    )


def _server(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT split_part(version(), ' ', 2), split_part(postgis_version(), ' ', 1)"
        ).fetchone()
    assert row is not None
    return f" PostgreSQL {row[0]} with PostGIS {row[1]},"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
