"""The platform under test: `shifts up` on its own folder and ports, its processes by role, its databases."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg

from shifts_platform.ports import free_port

START_TAKES_S = 300.0
_SHIFTS = (sys.executable, "-m", "shifts_platform")
_COMMANDS = {
    "supervisor": "shifts_platform up",
    "code server": "api grpc",
    "webserver": "with_code_server webserver",
    "daemon": "with_code_server daemon",
    "api": "-m shifts_api",
}
"""Role → words of its command line."""
ROLES = (*_COMMANDS, "run worker", "postmaster", "backend")


class NotStartedError(Exception):
    """The platform did not become ready; the message contains the end of its output."""


class SoakPlatform:
    """Starts and stops the platform; finds its processes; reads its databases, even while they restart."""

    def __init__(self, folder: Path, landing_url: str, more: Mapping[str, str]) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SHIFTS_")}
        self.environment = {
            **kept,
            **more,
            "SHIFTS_DATA_DIR": str(folder),
            "SHIFTS_LANDING_URL": landing_url,
            "SHIFTS_API_PORT": str(free_port()),
            "SHIFTS_DAGSTER_PORT": str(free_port()),
        }
        self.log = folder.with_name(f"{folder.name}-up.log")
        self.process: subprocess.Popen[bytes] | None = None
        self._urls: dict[str, str] = {}

    @property
    def api(self) -> str:
        """The base URL of the API."""
        return f"http://127.0.0.1:{self.environment['SHIFTS_API_PORT']}"

    @property
    def trips_database(self) -> str:
        """The connection string of the trips database for psycopg."""
        return self._urls["SHIFTS_DATABASE_URL"].replace("+psycopg2", "")

    def start(self) -> None:
        """Starts the platform and waits until it is ready.

        Raises:
            NotStartedError: it ends, or takes too long.
        """
        begin = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*_SHIFTS, "up"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TAKES_S
        while b"drop into" not in self.log.read_bytes()[begin:]:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise NotStartedError(self.log_tail())
            time.sleep(0.2)
        if not self._urls:
            said = subprocess.run(
                [*_SHIFTS, "env"], env=self.environment, capture_output=True, text=True, check=True
            ).stdout
            self._urls = dict(re.findall(r"^(?:export )?(\w+)='?(.*?)'?$", said, re.MULTILINE))

    def log_tail(self) -> str:
        """The last lines that `shifts up` wrote."""
        return self.log.read_text(errors="replace")[-1500:]

    def stop(self) -> int | None:
        """Stops the platform as a service manager does; returns the exit code, or None if it had to be killed."""
        code = None
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                code = self.process.wait(90)
        return code

    def kill_all(self) -> None:
        """Kills the remaining processes."""
        found = self._own_processes()
        if (postmaster := self._postmaster()) is not None:
            found += [postmaster, *_children(postmaster)]
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(found, timeout=20)

    def processes(self, role: str) -> list[psutil.Process]:
        """The running processes of a role."""
        if role in ("postmaster", "backend"):
            postmaster = self._postmaster()
            if postmaster is None:
                return []
            return [postmaster] if role == "postmaster" else _children(postmaster)
        if role == "run worker":
            return [
                child
                for server in self.processes("code server")
                for child in _children(server)
                if "spawn_main" in _command(child)
            ]
        return [process for process in self._own_processes() if _COMMANDS[role] in _command(process)]

    def query(
        self, statement: str, values: Sequence[Any] | Mapping[str, Any] = (), *, patience_s: float = 120
    ) -> list[tuple[Any, ...]]:
        """Rows of the trips database; retries while the server is down."""
        return self._query("SHIFTS_DATABASE_URL", statement, values, patience_s)

    def query_dagster(
        self, statement: str, values: Sequence[Any] | Mapping[str, Any] = (), *, patience_s: float = 120
    ) -> list[tuple[Any, ...]]:
        """Rows of Dagster's database, where the feed's outbox is."""
        return self._query("SHIFTS_DAGSTER_DATABASE_URL", statement, values, patience_s)

    def _query(
        self, url: str, statement: str, values: Sequence[Any] | Mapping[str, Any], patience_s: float
    ) -> list[tuple[Any, ...]]:
        address = self._urls[url].replace("+psycopg2", "")
        deadline = time.monotonic() + patience_s
        while True:
            try:
                with psycopg.connect(
                    address, connect_timeout=10, options="-c statement_timeout=60s"
                ) as connection:
                    return connection.execute(statement, values or None).fetchall()
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def is_ready(self) -> bool:
        """Whether the API reports that it is ready."""
        try:
            return httpx.get(f"{self.api}/ready", timeout=10).status_code == 200
        except httpx.HTTPError:
            return False

    def _own_processes(self) -> list[psutil.Process]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, psutil.Error):
                words = (folder / "environ").read_bytes().split(b"\0")
                if f"SHIFTS_DATA_DIR={self.folder}".encode() in words:
                    found.append(psutil.Process(int(folder.name)))
        return found

    def _postmaster(self) -> psutil.Process | None:
        try:
            pid = int((self.folder / "postgres/data/postmaster.pid").read_text().split()[0])
            process = psutil.Process(pid)
            # After a crash the process id may belong to another process.
            return process if str(self.folder.resolve()) in _command(process) else None
        except (OSError, ValueError, IndexError, psutil.Error):
            return None


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children()
    except psutil.Error:
        return []


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
