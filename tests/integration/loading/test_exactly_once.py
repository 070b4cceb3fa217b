"""Files are loaded exactly once beside other workers and readers, and with a full disk."""

import subprocess
from collections.abc import Iterator
from errno import EIO, ENOSPC
from pathlib import Path

import psycopg
import pytest

from shifts_core.landing.errors import LandingZoneUnavailable
from shifts_core.landing.open_zone import open_zone
from shifts_core.trips import read_csv as reading_module
from shifts_core.trips.report import Progress
from shifts_pipeline.storage import ledger, transitions
from shifts_pipeline.storage.ledger import FileRecord
from shifts_pipeline.storage.load_errors import MAX_ATTEMPTS
from tests.citus import is_waiting_for_lock
from tests.integration.loading.loading import Loader
from tests.integration.loading.server import Server
from tests.integration.loading.worker import ROWS_A_STEP, Worker
from tests.integration.platform.running import wait_until
from tests.posted_trip import post_trip
from tests.unit.core.trips.reading import HEADER, LINE

ROWS = 6 * ROWS_A_STEP
TRIPS = HEADER + LINE * ROWS


def test_two_workers_at_one_file_load_it_once(loader: Loader) -> None:
    loader.put("a.csv", TRIPS)
    workers = [Worker(loader, "a.csv", f"run {n}") for n in range(3)]
    assert [worker.end() for worker in workers] == [0, 0, 0]
    assert loader.statuses() == {"a.csv": ["loaded"]}
    assert loader.counts() == {"a.csv": (ROWS,) * 3}


def test_the_same_bytes_under_two_names_at_the_same_time_are_loaded_once(loader: Loader) -> None:
    loader.put("a.csv", TRIPS)
    loader.put("b.csv", TRIPS)
    workers = [Worker(loader, name) for name in ("a.csv", "b.csv")]
    # Both are in the middle before either ends.
    assert all(worker.step() for worker in workers)
    assert [worker.end() for worker in workers] == [0, 0]
    assert sorted(loader.statuses().values()) == [["duplicate"], ["loaded"]]
    assert loader.query("SELECT count(*) FROM shifts.trips") == [(ROWS,)]


def test_readers_see_the_old_rows_until_the_new_ones_are_all_there(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_module, "BATCH_ROWS", ROWS_A_STEP)
    loader.put("a.csv", HEADER + LINE)
    loader.load("a.csv")
    loader.put("a.csv", TRIPS + b"bad\n")
    seen = []

    def look(record: FileRecord, progress: Progress) -> None:
        for view in ("trips", "rejects", "weekly"):
            seen.extend(loader.query(f"SELECT '{view}', count(*) FROM shifts.{view}"))

    loader.load("a.csv", look)
    assert seen == [("trips", 1), ("rejects", 0), ("weekly", 1)] * (ROWS // ROWS_A_STEP + 1)
    assert loader.counts() == {"a.csv": (ROWS,) * 3}
    assert loader.statuses() == {"a.csv": ["superseded", "loaded"]}


def test_loading_again_what_is_loaded_changes_nothing_even_when_it_cannot_be_read(loader: Loader) -> None:
    loader.put("a.csv", TRIPS)
    loader.load("a.csv")
    before = loader.query("SELECT region, origin, started_at FROM shifts.trips ORDER BY trip_id")
    loader.load("a.csv", by_hand=True)
    assert loader.query("SELECT region, origin, started_at FROM shifts.trips ORDER BY trip_id") == before
    loader.put("a.csv", b"no header\n")
    loader.load("a.csv", by_hand=True)
    assert loader.query("SELECT count(*) FROM shifts.trips") == [(ROWS,)]
    assert loader.statuses() == {"a.csv": ["loaded", "failed"]}


@pytest.fixture
def small_disk(server: Server, server_loader: Loader, tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MiB on which the partitions of trips are made."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "none", place], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a disk to fill up needs the right to mount one: {mounted.stderr.decode().strip()}")
    try:
        space = place / "space"
        space.mkdir()
        server.give(space)
        with psycopg.connect(server_loader.url, autocommit=True) as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
            connection.execute("ALTER DATABASE trips SET default_tablespace = small")
        yield place
        server.postgres.stop()
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_full_disk_loads_nothing_and_with_room_the_file_is_loaded(
    small_disk: Path, server_loader: Loader
) -> None:
    rows = 200_000
    server_loader.put("a.csv", HEADER + LINE * rows)
    for _ in range(2):
        with pytest.raises(psycopg.errors.DiskFull):
            server_loader.load("a.csv")
        assert server_loader.counts() == {"a.csv": (0, 0, 0)}
        ((status, error),) = server_loader.query("SELECT status, error FROM shifts.files")
        assert status == "queued"
        assert "No space left on device" in error
    subprocess.run(["mount", "-o", "remount,size=100m", small_disk], check=True)
    assert server_loader.load("a.csv").record.status == "loaded"
    assert server_loader.counts() == {"a.csv": (rows,) * 3}


def test_trips_are_posted_to_a_region_and_week_while_a_file_of_it_is_replaced(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_module, "BATCH_ROWS", ROWS_A_STEP)
    loader.put("a.csv", HEADER + LINE * 3)
    loader.load("a.csv")
    loader.put("a.csv", TRIPS)
    posted = []

    def post(record: FileRecord, progress: Progress) -> None:
        with psycopg.connect(loader.url) as connection:
            connection.execute("SET lock_timeout = '5s'")
            connection.execute(post_trip("NULL", f"'post {progress.rows}'"))
        posted.append(progress.rows)

    loader.load("a.csv", post)
    assert len(posted) == ROWS // ROWS_A_STEP
    assert loader.query("SELECT trips FROM shifts.weekly") == [(ROWS + len(posted),)]
    assert loader.query("SELECT count(*) FROM shifts.trips") == [(ROWS + len(posted),)]
    assert loader.query("SELECT sum(trips) FROM shifts_store.tile_segments") == [(ROWS + len(posted),)]


def test_a_file_in_place_of_another_locks_all_its_regions_and_weeks_in_one_order(loader: Loader) -> None:
    early, late = LINE.replace(b"2018-05-28", b"2018-01-01"), LINE
    loader.put("a.csv", HEADER + late)
    loader.load("a.csv")
    loader.put("b.csv", HEADER + early)
    loader.load("b.csv")
    loader.put("a.csv", HEADER + early * 2)
    with psycopg.connect(loader.url) as other:
        # Whoever has the first pair and waits for the last one must find it free.
        # By region: Citus locks rows of one shard only.
        lock = "SELECT FROM shifts_store.region_weeks WHERE region_id = %s AND week = %s FOR UPDATE"
        pairs = loader.query("SELECT region_id, week FROM shifts_store.region_weeks ORDER BY week")
        other.execute(lock, pairs[0])
        worker = Worker(loader, "a.csv")
        wait_until(lambda: is_waiting_for_lock(loader.url))
        other.execute(f"{lock} NOWAIT", pairs[-1])
    assert worker.end() == 0
    assert loader.counts() == {"a.csv": (2, 2, 2), "b.csv": (1, 1, 1)}


@pytest.mark.parametrize(
    "error", [psycopg.errors.DiskFull("no room"), MemoryError(), OSError(ENOSPC, "no room")], ids=repr
)
def test_a_file_without_room_fails_after_a_limited_number_of_attempts(
    loader: Loader, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def load(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("shifts_pipeline.storage.ingest.load_file", load)
    loader.put("a.csv", TRIPS)
    for attempt in range(MAX_ATTEMPTS + 1):
        loader.execute("UPDATE shifts_store.trip_files SET attempts = %s", attempt)
        if attempt < MAX_ATTEMPTS:
            with pytest.raises(type(error)):
                loader.load("a.csv")
            ((status, is_postponed, said),) = loader.query(
                "SELECT status, requested_at > now(), error FROM shifts_store.trip_files"
            )
            assert (status, is_postponed) == ("queued", True)
            assert type(error).__name__ in said
    record = loader.load("a.csv").record
    assert (record.status, record.error) == (
        "failed",
        f"failed after {MAX_ATTEMPTS} attempts: {type(error).__name__}: {error}",
    )


@pytest.mark.parametrize(
    "error", [psycopg.OperationalError("down"), OSError(EIO, "disk"), LandingZoneUnavailable("away")]
)
def test_an_outage_uses_up_no_try_of_any_file_of_the_run(
    loader: Loader, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def load(*arguments: object, **options: object) -> None:
        raise error

    loader.put("a.csv", TRIPS)
    loader.put("b.csv", HEADER + LINE)
    with psycopg.connect(loader.url) as connection:
        transitions.register(connection, list(open_zone(str(loader.landing)).list_files()))
    with monkeypatch.context() as broken:
        broken.setattr("shifts_pipeline.storage.ingest.load_file", load)
        for _ in range(MAX_ATTEMPTS + 2):
            with psycopg.connect(loader.url) as connection:
                ids = [record.file_id for record in ledger.unfinished(connection, limit=1000)]
                transitions.request_run(connection, ids, "run")
            with pytest.raises(type(error)):
                loader.load("a.csv")
            assert (
                loader.query(
                    "SELECT status, attempts, error LIKE %s FROM shifts_store.trip_files", f"%{error}"
                )
                == [("queued", 0, True)] * 2
            )
    assert loader.load("a.csv").record.status == "loaded"
    assert loader.load("b.csv").record.status == "loaded"
