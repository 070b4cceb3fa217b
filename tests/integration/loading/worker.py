"""Loading workers in processes of their own, which tests watch and kill."""

import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import psycopg

from shifts_core.trips import read_csv as reading_module
from shifts_core.trips.report import Progress
from shifts_pipeline.storage import database
from shifts_pipeline.storage.ingest import ingest
from shifts_pipeline.storage.ledger import FileRecord
from tests.forks import FORKS
from tests.integration.loading.loading import Loader

ROWS_A_STEP = 2_000


class Worker:
    """A process that loads one file and reports each step."""

    def __init__(self, loader: Loader, name: str, run: str = "run") -> None:
        self._steps, theirs = FORKS.Pipe(duplex=False)
        self._process = FORKS.Process(target=_work, args=(loader.url, loader.landing, name, run, theirs))
        self._process.start()
        theirs.close()
        self.backend = self._receive() or 0
        """Process id of its database connection."""

    def step(self) -> bool:
        """Waits until it has written `ROWS_A_STEP` more rows; False if it has ended instead."""
        return self._receive() is not None

    def kill(self) -> None:
        """Kills the process and waits until it has ended."""
        os.kill(self._process.pid or 0, signal.SIGKILL)
        self._process.join()

    def end(self) -> int | None:
        """Waits until it ends; returns its exit code."""
        while self.step():
            pass
        self._process.join()
        return self._process.exitcode

    def _receive(self) -> int | None:
        try:
            said: int = self._steps.recv()
        except (EOFError, ConnectionResetError):
            return None
        return said


def _work(url: str, landing: Path, name: str, run: str, steps: Connection) -> None:
    reading_module.BATCH_ROWS = ROWS_A_STEP
    loader = Loader(url, landing)

    def tell(record: FileRecord, progress: Progress) -> None:
        del record
        steps.send(progress.rows)

    try:
        with database.connect(url) as connection, database.connect(url, autocommit=True) as side:
            steps.send(connection.info.backend_pid)
            ingest(name, loader.load_context(connection, side, run), tell)
    except (psycopg.Error, BrokenPipeError):
        # A killed database is part of the test: no traceback on the terminal.
        os._exit(1)
