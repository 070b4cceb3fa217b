"""Exactly once, whoever else is at it: other workers, readers, a full disk."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from shifts_pipeline import database
from shifts_pipeline.ingest import ingest
from shifts_pipeline.ledger import Entry
from shifts_pipeline.loading import read_csv as reading_module
from shifts_pipeline.loading.report import Progress
from tests.integration.loading.loading import Loader, silent
from tests.integration.loading.server import Server
from tests.integration.loading.worker import ROWS_A_STEP, Worker
from tests.unit.loading.reading import HEADER, LINE

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

    def look(entry: Entry, progress: Progress) -> None:
        for view in ("trips", "rejects", "weekly"):
            seen.extend(loader.query(f"SELECT '{view}', count(*) FROM shifts.{view}"))

    loader.load("a.csv", look)
    assert seen == [("trips", 1), ("rejects", 0), ("weekly", 1)] * (ROWS // ROWS_A_STEP + 1)
    assert loader.counts() == {"a.csv": (ROWS,) * 3}
    assert loader.statuses() == {"a.csv": ["superseded", "loaded"]}


def test_loading_again_what_is_loaded_changes_nothing_even_when_it_cannot_be_read(loader: Loader) -> None:
    def load_as_a_person_asks() -> None:
        with database.connect(loader.url) as connection:
            ingest("a.csv", replace(loader.ingestion(connection, "by hand"), batch=None), silent)

    loader.put("a.csv", TRIPS)
    loader.load("a.csv")
    before = loader.query("SELECT region, origin, started_at FROM shifts.trips ORDER BY trip_id")
    load_as_a_person_asks()
    assert loader.query("SELECT region, origin, started_at FROM shifts.trips ORDER BY trip_id") == before
    loader.put("a.csv", b"no header\n")
    load_as_a_person_asks()
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
    assert server_loader.load("a.csv").entry.status == "loaded"
    assert server_loader.counts() == {"a.csv": (rows,) * 3}
