"""The embedded server keeps working while a package upgrade replaces PostgreSQL's libraries on disk."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from shifts_platform.migrations.databases import ensure_database, migrate_trips_database
from shifts_platform.postgres.programs import find_programs
from shifts_platform.postgres.server import EmbeddedPostgres
from tests.database import allow_other_users, database_answers
from tests.integration.platform.running import wait_until


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the installed server, which finds its files relative to its programs; returns the library folder."""
    allow_other_users(tmp_path)
    programs = find_programs()
    folders = {
        option: Path(
            subprocess.run(
                [programs / "pg_config", option], capture_output=True, text=True, check=True
            ).stdout.strip()
        )
        for option in ("--bindir", "--pkglibdir", "--sharedir")
    }
    root = Path(os.path.commonpath(folders.values()))
    copies = {option: tmp_path / "usr" / folder.relative_to(root) for option, folder in folders.items()}
    for option, folder in folders.items():
        shutil.copytree(folder, copies[option], ignore=shutil.ignore_patterns("bitcode"))
    monkeypatch.setattr("shifts_platform.postgres.server.find_programs", lambda: copies["--bindir"])
    return copies["--pkglibdir"]


@pytest.fixture
def server(installation: Path, tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    found = EmbeddedPostgres(tmp_path / "postgres", extra_settings={"fsync": "off"})
    found.prepare()
    found.start(tmp_path / "postgres.log")
    try:
        yield found
    finally:
        found.stop()


def test_new_sessions_work_after_the_libraries_on_disk_were_replaced(
    installation: Path, server: EmbeddedPostgres
) -> None:
    url = server.url("trips")
    ensure_database(url)
    migrate_trips_database(url)
    for library in installation.glob("*.so"):
        # As dpkg replaces files. A library of another version fails to load too: `undefined symbol`.
        unpacked = library.with_suffix(".new")
        unpacked.write_text("of another version")
        unpacked.replace(library)
    use_all(url)
    with psycopg.connect(url) as session, suppress(psycopg.OperationalError):
        # The server restarts all its processes when one of them crashes.
        os.kill(session.info.backend_pid, signal.SIGKILL)
        session.execute("SELECT")
    wait_until(lambda: database_answers(url))
    use_all(url)


def use_all(url: str) -> None:
    """Opens a session that uses every library that functions and languages of our databases need."""
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("DO $$ BEGIN PERFORM ST_AsText(ST_Point(1, 2)); END $$")
        named = session.execute(
            "SELECT DISTINCT probin FROM pg_proc WHERE probin LIKE '$libdir/%'"
        ).fetchall()
        names = sorted(name.removeprefix("$libdir/") for (name,) in named)
        in_use = [name for name in names if not name.startswith(("utf8_and_", "latin", "cyrillic", "euc"))]
        assert in_use == ["dict_snowball", "plpgsql", "postgis-3"]
        session.execute(
            "SET debug_parallel_query = on"
            if session.info.server_version >= 160000
            else "SET force_parallel_mode = on"
        )
        session.execute("SELECT sum(ST_X(ST_Point(n, 2))) FROM generate_series(1, 1000) n")
