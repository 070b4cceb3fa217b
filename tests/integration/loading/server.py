"""A database server of a test's own, which the test kills, restarts and fills up."""

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from shifts_platform.postgres.server import EmbeddedPostgres
from tests.database import database_answers
from tests.integration.platform.running import wait_until


@dataclass
class Server:
    """A database server that is killed and started again."""

    postgres: EmbeddedPostgres
    log: Path
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """Every process of it is gone without a word, and it is started again."""
        self.process.kill()
        self.process.wait()
        self.process = self.postgres.start(self.log)

    def restart(self) -> None:
        """It is shut down and started again; connections are cut in words."""
        self.postgres.stop()
        self.process = self.postgres.start(self.log)

    def kill_connection(self, process_id: int) -> None:
        """One process of it is gone, if it still was there: the server ends all others and recovers."""
        with suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGKILL)
        wait_until(lambda: not psutil.pid_exists(process_id) and database_answers(self.postgres.url("trips")))

    def give(self, folder: Path) -> None:
        """The folder belongs to whom the server runs as."""
        owner = psutil.Process(self.process.pid).uids().real
        os.chown(folder, owner, -1)
