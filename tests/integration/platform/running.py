"""The whole platform as a user starts it, with its own processes, ports and data folder."""

import functools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from shifts_platform.feed_client import FeedEvent, follow_feed
from shifts_platform.ports import free_port
from tests.database import allow_other_users
from tests.integration.platform.forked_command import fork_shifts

TIMEOUT_S = 360.0
_SHIFTS = (sys.executable, "-m", "shifts_platform")


@dataclass
class RunningPlatform:
    """A started platform and how a user reaches it."""

    environment: dict[str, str]
    process: subprocess.Popen[str]

    @property
    def folder(self) -> Path:
        """Its data folder."""
        return Path(self.environment["SHIFTS_DATA_DIR"])

    @property
    def landing(self) -> Path:
        """Its landing folder."""
        return self.folder / "landing"

    @property
    def api(self) -> str:
        """The URL of the web service."""
        return f"http://127.0.0.1:{self.environment['SHIFTS_API_PORT']}"

    @property
    def dagster(self) -> str:
        """The URL of the Dagster UI."""
        return f"http://127.0.0.1:{self.environment['SHIFTS_DAGSTER_PORT']}"

    def get(self, path: str, **parameters: str) -> dict[str, Any]:
        """Returns the body of a successful GET request."""
        answer = httpx.get(f"{self.api}/api/v1{path}", params=parameters, timeout=30)
        assert answer.status_code == httpx.codes.OK, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Returns rows of the trips database."""
        with psycopg.connect(self.settings()["SHIFTS_DATABASE_URL"]) as connection:
            return connection.execute(statement).fetchall()

    def settings(self) -> dict[str, str]:
        """Returns the settings that `shifts env` prints."""
        return self._settings

    @functools.cached_property
    def _settings(self) -> dict[str, str]:
        text = self.shifts("env").stdout
        return dict(re.findall(r"^(?:export )?(\w+)='?(.*?)'?$", text, re.M))

    def shifts(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a command beside the running platform."""
        return fork_shifts(self.environment, *arguments, timeout_s=TIMEOUT_S)

    def follow(
        self, act: Callable[[], object], until: Callable[[FeedEvent], bool], types: str = ""
    ) -> list[FeedEvent]:
        """Calls `act` when the feed is open; returns all events up to the first for which `until` holds."""
        events: list[FeedEvent] = []
        for event in follow_feed(self.api, types or _ALL):
            if event is None:
                act()
                continue
            events.append(event)
            if until(event):
                break
        return events

    def processes(self) -> list[int]:
        """Returns the ids of all processes started with this data folder."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "environ").read_bytes()
            except OSError:
                continue
            if f"SHIFTS_DATA_DIR={self.folder}".encode() in words and int(folder.name) != os.getpid():
                found.append(int(folder.name))
        return found

    def pid_of(self, words: str) -> int:
        """Returns the id of the process whose command line contains the words."""
        for pid in self.processes():
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            if words in command:
                return pid
        raise AssertionError(f"no process {words!r}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal as Ctrl-C or a service manager does; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(TIMEOUT_S)


_ALL = (
    "run.queued,run.started,run.succeeded,run.failed,file.progress,file.loaded,file.failed,asset.materialized"
)


def new_environment(folder: Path) -> dict[str, str]:
    """Returns the settings of a platform with free ports and no settings of the user."""
    folder.mkdir(parents=True, exist_ok=True)
    allow_other_users(folder)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHIFTS_")}
    return kept | {
        "SHIFTS_DATA_DIR": str(folder),
        "SHIFTS_API_PORT": str(free_port()),
        "SHIFTS_DAGSTER_PORT": str(free_port()),
    }


def run_shifts(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of `shifts` until it ends."""
    return subprocess.run(
        [*_SHIFTS, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@contextmanager
def running_platform(environment: dict[str, str]) -> Iterator[RunningPlatform]:
    """Runs `shifts up` while in the block, which begins when the platform is ready."""
    log = Path(environment["SHIFTS_DATA_DIR"]) / "up.log"
    with log.open("w") as output:
        process = subprocess.Popen([*_SHIFTS, "up"], env=environment, stdout=output, stderr=output, text=True)
    platform = RunningPlatform(environment, process)
    try:
        wait_until(lambda: process.poll() is not None or "drop into" in log.read_text())
        assert process.poll() is None, log.read_text()
        yield platform
    finally:
        if process.poll() is None:
            platform.stop()


def wait_until(condition: Callable[[], bool]) -> None:
    """Checks a condition until it holds."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.1)


def answers(url: str) -> bool:
    """Whether a GET request succeeds."""
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.HTTPError:
        return False
