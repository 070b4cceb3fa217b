"""The processes of a running platform that tests kill, and what its databases say meanwhile."""

import os
import signal

import psutil
import psycopg

from shifts_platform.generator.csv_file import csv_blocks
from tests.database import database_answers
from tests.integration.platform.running import RunningPlatform, wait_until


class Watched:
    """The platform's files and runs, read from its databases, which are away for moments."""

    def __init__(self, platform: RunningPlatform, rows: int) -> None:
        settings = platform.settings()
        self._trips = settings["SHIFTS_DATABASE_URL"]
        self._dagster = settings["SHIFTS_DAGSTER_DATABASE_URL"].replace("+psycopg2", "")
        self._landing = platform.landing
        self._rows_a_file = rows
        self.names: list[str] = []

    def drop(self) -> None:
        """One more file, there at once."""
        number = len(self.names)
        name = f"{self._rows_a_file} rows, {number}.csv"
        part = (self._landing / name).with_suffix(".part")
        part.write_bytes(b"".join(lines for _, lines in csv_blocks(self._rows_a_file, seed=number, weeks=2)))
        part.rename(self._landing / name)
        self.names.append(name)

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
