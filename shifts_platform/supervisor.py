"""The process tree: children start in process groups of their own, are restarted when they exit, and end together."""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from shifts_platform.backoff import Backoff
from shifts_platform.errors import PlatformError
from shifts_platform.parent_death import child_setup

STOP_TIMEOUT_S = 5.0
_CHECK_INTERVAL_S = 0.3
_LOG_TAIL_BYTES = 4096
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class ChildSpec:
    """A process that belongs to the platform."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    is_ready: Callable[[], bool]
    parent_death_signal: signal.Signals = signal.SIGKILL
    """What it is sent when the supervisor is killed."""


@dataclass
class _Process:
    """A process that is restarted, and what its restarts depend on."""

    name: str
    log: Path
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes]
    started_at: float
    backoff: Backoff = field(default_factory=Backoff)
    restart_at: float | None = None
    """When it is started next; None while it runs."""


class Supervisor:
    """Keeps processes running until told to stop, however often they exit.

    Each child leads a process group, so that what it starts itself (Dagster's runs) ends with it; where the
    system can, it is also ended when the supervisor vanishes.
    """

    def __init__(self, logs: Path, notice: Callable[[str], None]) -> None:
        self._logs = logs
        self._notice = notice
        self._children: list[tuple[ChildSpec, _Process]] = []
        self._watched: list[_Process] = []
        self._stopping = threading.Event()

    def spawn(self, specs: Sequence[ChildSpec]) -> None:
        """Starts children side by side and goes on."""
        for spec in specs:
            log = self._logs / f"{spec.name.replace(' ', '-')}.log"
            start = partial(_spawn, spec, log)
            self._children.append((spec, _Process(spec.name, log, start, start(), time.monotonic())))

    def watch(
        self,
        name: str,
        process: subprocess.Popen[bytes],
        log: Path,
        start: Callable[[], subprocess.Popen[bytes]],
    ) -> None:
        """Also restarts a process that somebody else started and stops."""
        self._watched.append(_Process(name, log, start, process, time.monotonic()))

    def wait(self, *, timeout_s: float = 120) -> None:
        """Waits until all that was started is ready.

        Raises:
            PlatformError: a child exits before it is ready, or takes too long; the message has the end of its log.
        """
        deadline = time.monotonic() + timeout_s
        waiting = list(self._children)
        while waiting and not self._stopping.is_set():
            for spec, child in list(waiting):
                if child.process.poll() is not None:
                    raise PlatformError(
                        f"{child.name} does not start: {log_tail(child.log)} (log: {child.log})"
                    )
                if spec.is_ready():
                    waiting.remove((spec, child))
            if waiting and time.monotonic() > deadline:
                names = ", ".join(child.name for _, child in waiting)
                raise PlatformError(f"not ready after {timeout_s:.0f} s: {names}; see {self._logs}")
            self._stopping.wait(0.1)

    def run(self) -> None:
        """Restarts what exits, with growing delays and a notice each time, until `request_stop`."""
        while not self._stopping.is_set():
            for process in (*self._watched, *(child for _, child in self._children)):
                self._check(process)
            self._stopping.wait(_CHECK_INTERVAL_S)

    def request_stop(self) -> None:
        """Makes `wait` and `run` return; safe in a signal handler."""
        self._stopping.set()

    def stop(self) -> None:
        """Ends every child's group: asked first, killed after `STOP_TIMEOUT_S`."""
        # The process id of one that waits for its restart may be somebody else's by now.
        running = [child.process for _, child in self._children if child.restart_at is None]
        for process in running:
            _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.0, deadline - time.monotonic()))
        for process in running:
            _signal_group(process, signal.SIGKILL)
            process.wait()

    def _check(self, process: _Process) -> None:
        if process.restart_at is not None:
            if time.monotonic() >= process.restart_at:
                self._restart(process)
            return
        code = process.process.poll()
        if code is None:
            return
        # What it left behind in its group would hold its ports.
        _signal_group(process.process, signal.SIGKILL)
        how = f"signal {-code}" if code < 0 else f"code {code}"
        self._schedule(process, f"{process.name} exited ({how}; {log_tail(process.log)})")

    def _restart(self, process: _Process) -> None:
        process.started_at = time.monotonic()
        try:
            process.process = process.start()
        except (OSError, subprocess.SubprocessError) as error:
            # No memory or no file handles, or its program is just being replaced by an upgrade.
            self._schedule(process, f"{process.name} cannot be started ({error})")
        else:
            process.restart_at = None

    def _schedule(self, process: _Process, reason: str) -> None:
        now = time.monotonic()
        delay = process.backoff.delay_after(now - process.started_at)
        process.restart_at = now + delay
        self._notice(f"{reason}: restarting in {delay:g} s, log: {process.log}")


def log_tail(log: Path) -> str:
    """The last line of a log file, without colours."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOG_TAIL_BYTES))
            lines = _COLOUR.sub("", file.read().decode(errors="replace")).strip().splitlines()
    except OSError as error:
        return f"log not readable: {error.strerror}"
    return lines[-1] if lines else "empty log"


def _spawn(spec: ChildSpec, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            spec.command,
            env={**os.environ, **spec.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=child_setup(spec.parent_death_signal),  # noqa: PLW1509  no other thread holds a lock that it needs
        )


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
