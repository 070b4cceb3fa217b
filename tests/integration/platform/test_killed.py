"""Parts of the running platform and the whole of it are killed: it loads every file by itself, once, and keeps it."""

import random
import signal
import time
from collections.abc import Iterator

import pytest

from shifts_platform.postgres.server import EmbeddedPostgres
from tests.database import query
from tests.integration.pipeline.harness import HEADER, row
from tests.integration.platform.dropping import drop
from tests.integration.platform.killing import Watched, kill
from tests.integration.platform.running import (
    RunningPlatform,
    new_environment,
    running_platform,
    wait_until,
)
from tests.stop_signals import ignored_stop_signals

VICTIMS = ("worker", "database", "daemon", "code server")
MAX_DEATHS_OF_A_FILE = 3
"""One less than the platform's patience with a file on which run after run dies."""
LEDGER = "SELECT name, status, rows_loaded, rows_rejected, error FROM shifts.files ORDER BY file_id"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with running_platform(new_environment(tmp_path_factory.mktemp("platform") / "data")) as found:
        yield found


@pytest.mark.parametrize(
    ("victims", "files_at_first", "rows"),
    [
        pytest.param(VICTIMS, 0, 15_000, id="each once"),
        pytest.param((*VICTIMS, *["worker"] * 4), 4, 60_000, id="again and again", marks=pytest.mark.soak),
    ],
)
def test_whatever_is_killed_every_file_is_loaded_once_and_no_run_stays_started(
    platform: RunningPlatform, victims: tuple[str, ...], files_at_first: int, rows: int
) -> None:
    rng = random.Random(20260105)
    watched = Watched(platform, rows)
    for _ in range(files_at_first):
        watched.drop()
    for victim in rng.sample(victims, len(victims)):
        watched.drop()
        wait_until(
            lambda: (
                not watched.files(
                    "SELECT FROM shifts_store.trip_files WHERE status IN ('queued', 'loading')"
                    f" AND attempts > {MAX_DEATHS_OF_A_FILE}"
                )
            )
        )
        # The moment is what is tried here: anywhere in the life of a run.
        time.sleep(rng.uniform(0, 4))
        wait_until(lambda victim=victim: kill(platform, victim))  # type: ignore[misc]
    ended = "SELECT FROM shifts.files WHERE status NOT IN ('queued', 'loading')"
    wait_until(lambda: len(watched.files(ended)) >= len(watched.names))
    ledger = [record for record in watched.files(LEDGER) if record[0] in watched.names]
    assert sorted(ledger) == sorted((name, "loaded", rows, 0, None) for name in watched.names)
    stored = watched.files(
        "SELECT f.name, count(*), count(DISTINCT t.trip_id) FROM shifts.trips t JOIN shifts.files f USING (file_id)"
        " GROUP BY f.name"
    )
    assert set(stored) >= {(name, rows, rows) for name in watched.names}
    booked = watched.files(
        "SELECT sum(trips)::integer, (SELECT count(*) FROM shifts.trips) FROM shifts.weekly"
    )
    assert len(set(booked[0])) == 1
    wait_until(lambda: watched.runs_at_work() == 0)


def test_a_killed_platform_leaves_no_process_and_a_restart_and_a_stop_keep_all_data(
    platform: RunningPlatform,
) -> None:
    drop(platform, "kept.csv", HEADER + row() + row(moment="2018-05-28 12:00:00"))
    files = platform.query(LEDGER)
    postmaster = int((platform.folder / "postgres/data/postmaster.pid").read_text().split()[0])
    assert postmaster in platform.processes()
    platform.stop(signal.SIGKILL)
    wait_until(lambda: platform.processes() == [])
    with ignored_stop_signals(), running_platform(platform.environment) as restarted:
        assert restarted.query(LEDGER) == files
        newest = restarted.get("/files")["files"][0]
        assert (newest["name"], newest["status"]) == ("kept.csv", "loaded")
        assert restarted.stop(signal.SIGINT) == 0
        assert restarted.processes() == []
        assert "exited" not in (platform.folder / "up.log").read_text()
    server = EmbeddedPostgres(platform.folder / "postgres")
    server.start(platform.folder / "postgres.log")
    try:
        assert query(server.url("shifts"), LEDGER) == files
    finally:
        server.stop()
