"""The whole platform as a user starts it: processes of its own, ports of its own, data of its own."""

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

PATIENCE_S = 120.0
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
        """Where the service is."""
        return f"http://127.0.0.1:{self.environment['SHIFTS_API_PORT']}"

    @property
    def dagster(self) -> str:
        """Where the Dagster UI is."""
        return f"http://127.0.0.1:{self.environment['SHIFTS_DAGSTER_PORT']}"

    def get(self, path: str, **parameters: str) -> dict[str, Any]:
        """A call's answer."""
        answer = httpx.get(f"{self.api}/api/v1{path}", params=parameters, timeout=30)
        assert answer.status_code == httpx.codes.OK, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of the trips database."""
        with psycopg.connect(self.settings()["SHIFTS_DATABASE_URL"]) as connection:
            return connection.execute(statement).fetchall()

    def settings(self) -> dict[str, str]:
        """What `shifts env` says."""
        text = self.shifts("env").stdout
        return dict(re.findall(r"^(?:export )?(\w+)='?(.*?)'?$", text, re.M))

    def shifts(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command beside the running platform."""
        return run_shifts(self.environment, *arguments)

    def follow(
        self, act: Callable[[], object], until: Callable[[FeedEvent], bool], types: str = ""
    ) -> list[FeedEvent]:
        """Does something while listening; all events up to the one that is waited for."""
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
        """Every process that was started with this platform's data folder."""
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
        """The process whose command line has these words."""
        for pid in self.processes():
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            if words in command:
                return pid
        raise AssertionError(f"no process {words!r}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Asks it to end, as Ctrl-C or a service manager does; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


_ALL = (
    "run.queued,run.started,run.succeeded,run.failed,file.progress,file.loaded,file.failed,asset.materialized"
)


def new_environment(folder: Path) -> dict[str, str]:
    """Settings of a platform that nobody else is in the way of."""
    folder.mkdir(parents=True, exist_ok=True)
    # The embedded server runs as another user, who must be able to get there.
    for parent in (folder, *folder.parents[:3]):
        parent.chmod(parent.stat().st_mode | 0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHIFTS_")}
    return kept | {
        "SHIFTS_DATA_DIR": str(folder),
        "SHIFTS_API_PORT": str(free_port()),
        "SHIFTS_DAGSTER_PORT": str(free_port()),
    }


def run_shifts(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of `shifts`, to its end."""
    return subprocess.run(
        [*_SHIFTS, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@contextmanager
def running_platform(environment: dict[str, str]) -> Iterator[RunningPlatform]:
    """`shifts up`, ready; ended with the block."""
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
    """Looks again until it holds; what the platform does by itself has no other sign."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.1)


def answers(url: str) -> bool:
    """Whether somebody answers there, well."""
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.HTTPError:
        return False
