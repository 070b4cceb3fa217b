"""Parts of the running platform are killed at random moments: it loads every file by itself, once."""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from shifts_platform.generator.csv_file import csv_blocks
from tests.database import database_answers
from tests.integration.platform.running import (
    RunningPlatform,
    new_environment,
    running_platform,
    wait_until,
)

ROWS = 60_000
FILES_AT_FIRST = 4
VICTIMS = ["worker"] * 3 + ["database", "daemon", "code server"]
MAX_DEATHS_OF_A_FILE = 3
"""One less than the platform's patience with a file on which run after run dies."""


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[RunningPlatform]:
    with running_platform(new_environment(tmp_path / "data")) as found:
        yield found


class Watched:
    """The platform's files and runs, read from its databases, which are away for moments."""

    def __init__(self, platform: RunningPlatform) -> None:
        settings = platform.settings()
        self._trips = settings["SHIFTS_DATABASE_URL"]
        self._dagster = settings["SHIFTS_DAGSTER_DATABASE_URL"].replace("+psycopg2", "")
        self._landing = platform.landing
        self.names: list[str] = []

    def drop(self) -> None:
        """One more file, there at once."""
        number = len(self.names)
        part = self._landing / f"{number}.part"
        part.write_bytes(b"".join(lines for _, lines in csv_blocks(ROWS, seed=number)))
        part.rename(self._landing / f"{number}.csv")
        self.names.append(f"{number}.csv")

    def files(self, statement: str) -> list[tuple[object, ...]]:
        """Rows of the trips database."""
        return self._rows(self._trips, statement)

    def runs_at_work(self) -> int:
        """How many runs Dagster believes to be starting or started."""
        return len(
            self._rows(self._dagster, "SELECT FROM runs WHERE status IN ('STARTING', 'STARTED', 'CANCELING')")
        )

    def _rows(self, url: str, statement: str) -> list[tuple[object, ...]]:
        while True:
            try:
                with psycopg.connect(url) as connection:
                    return connection.execute(statement).fetchall()
            except psycopg.OperationalError:
                wait_until(lambda: database_answers(url))


def process_of(platform: RunningPlatform, victim: str) -> int | None:
    """The process to kill; None while there is none."""
    if victim == "database":
        return int((platform.folder / "postgres/data/postmaster.pid").read_text().split()[0])
    if victim == "daemon":
        return platform.pid_of("with_code_server daemon")
    server = platform.pid_of("api grpc")
    if victim == "code server":
        return server
    # A run is a process that the code server spawned.
    for child in psutil.Process(server).children():
        if "spawn_main" in " ".join(child.cmdline()):
            return child.pid
    return None


def kill(platform: RunningPlatform, victim: str) -> bool:
    """Whether it was there to be killed."""
    try:
        process = process_of(platform, victim)
        if process is not None:
            os.kill(process, signal.SIGKILL)
    except (OSError, psutil.Error, AssertionError):
        # It went, or is started again, at this very moment.
        return False
    return process is not None


@pytest.mark.parametrize("seed", [20260105])
def test_whatever_is_killed_every_file_is_loaded_once_and_no_run_stays_started(
    platform: RunningPlatform, seed: int
) -> None:
    print(f"seed {seed}")
    rng = random.Random(seed)
    watched = Watched(platform)
    for _ in range(FILES_AT_FIRST):
        watched.drop()
    for victim in rng.sample(VICTIMS, len(VICTIMS)):
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
    wait_until(lambda: len(watched.files(ended)) == len(watched.names))
    ledger = watched.files(
        "SELECT name, status, rows_loaded, rows_rejected, error FROM shifts.files ORDER BY file_id"
    )
    assert sorted(ledger) == sorted((name, "loaded", ROWS, 0, None) for name in watched.names)
    stored = watched.files(
        "SELECT f.name, count(*), count(DISTINCT t.trip_id) FROM shifts.trips t JOIN shifts.files f USING (file_id)"
        " GROUP BY f.name"
    )
    assert sorted(stored) == sorted((name, ROWS, ROWS) for name in watched.names)
    booked = watched.files("SELECT sum(trips) FROM shifts.weekly")
    assert booked == [(ROWS * len(watched.names),)]
    wait_until(lambda: watched.runs_at_work() == 0)
