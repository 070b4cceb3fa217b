"""The server of a killed platform: the next start finds it and stops it."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shifts_platform.platform import Platform
from shifts_platform.postgres.server import EmbeddedPostgres
from shifts_platform.settings import read_settings
from tests.conftest import FAST
from tests.database import allow_other_users, database_answers
from tests.integration.platform.running import new_environment


@pytest.fixture
def earlier(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A running server whose platform was killed."""
    allow_other_users(tmp_path)
    server = EmbeddedPostgres(tmp_path / "data/postgres", extra_settings=FAST)
    server.prepare()
    server.start(tmp_path / "earlier.log")
    yield server
    server.stop()


def test_a_start_stops_the_server_of_a_killed_platform(tmp_path: Path, earlier: EmbeddedPostgres) -> None:
    old = earlier.find_orphan()
    assert old is not None
    server = EmbeddedPostgres(tmp_path / "data/postgres", extra_settings=FAST)
    process = server.start(tmp_path / "postgres.log")
    try:
        assert not old.is_running()
        assert database_answers(server.url("postgres"))
        assert process.poll() is None
    finally:
        server.stop()
    assert process.poll() == 0
    assert server.find_orphan() is None


def test_stopping_the_server_of_a_killed_platform_is_a_visible_step(
    tmp_path: Path, earlier: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = earlier.find_orphan()
    assert old is not None
    for name, value in new_environment(tmp_path / "data").items():
        monkeypatch.setenv(name, value)
    platform = Platform(read_settings(), print)
    try:
        steps = platform.steps()
        said = [next(steps) for _ in range(3)]
    finally:
        platform.close()
    assert said[-1] == f"stopping the PostgreSQL server of a killed platform (process {old.pid})"


def test_another_process_with_the_id_of_an_orphaned_server_keeps_running(
    tmp_path: Path, earlier: EmbeddedPostgres
) -> None:
    earlier.stop()
    ourselves = psutil.Process()
    (tmp_path / "data/postgres/data/postmaster.pid").write_text(f"{ourselves.pid}\n")
    assert earlier.find_orphan() is None
