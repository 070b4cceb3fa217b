"""After a SIGKILL of `shifts up` its processes end, and the next start keeps the data and replaces the server."""

import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shifts_platform.platform import Platform
from shifts_platform.postgres.server import EmbeddedPostgres
from shifts_platform.settings import read_settings
from tests.conftest import FAST
from tests.database import allow_other_users, database_answers
from tests.integration.pipeline.harness import HEADER, row
from tests.integration.platform.running import new_environment, running_platform, wait_until
from tests.integration.platform.test_platform import WHOLE_WORLD, drop


def test_a_killed_platform_leaves_no_process_and_a_restart_keeps_all_data(tmp_path: Path) -> None:
    environment = new_environment(tmp_path / "data")
    with running_platform(environment) as platform:
        drop(platform, "a.csv", HEADER + row() + row(moment="2018-05-28 12:00:00"))
        postmaster = int((platform.folder / "postgres/data/postmaster.pid").read_text().split()[0])
        assert postmaster in platform.processes()
        platform.stop(signal.SIGKILL)
        wait_until(lambda: platform.processes() == [])
    with running_platform(environment) as platform:
        assert platform.get("/trips/stats", region="Turin", **WHOLE_WORLD) == {"mean": 2.0}
        assert platform.stop() == 0
        assert platform.processes() == []
        assert "exited" not in (platform.folder / "up.log").read_text()


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
