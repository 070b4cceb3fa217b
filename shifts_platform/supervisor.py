"""The supervisor of the platform's processes: starts them, restarts those that exit, and ends them together."""

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
_LINK_OF_SQLALCHEMY = "(Background on this error at: "
"""Begins the last line of its errors, which does not say what happened."""


@dataclass(frozen=True)
class ChildSpec:
    """A process of the platform."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    is_ready: Callable[[], bool]
    parent_death_signal: signal.Signals = signal.SIGKILL
    """The signal that it gets when the supervisor is killed."""


@dataclass
class _Process:
    """A supervised process and the state of its restarts."""

    name: str
    log: Path
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes]
    started_at: float
    backoff: Backoff = field(default_factory=Backoff)
    restart_at: float | None = None
    """When it is restarted, by the monotonic clock; None while it runs."""


class Supervisor:
    """Keeps processes running until `request_stop`, however often they exit.

    Each child leads a process group, so that its own children (Dagster's run workers) end with it. On Linux children
    also end when the supervisor is killed.
    """

    def __init__(self, logs: Path, report: Callable[[str], None]) -> None:
        """Prepares a supervisor without processes.

        Args:
            logs: the folder for the logs of children.
            report: called with a line when a process exits or cannot be restarted.
        """
        self._logs = logs
        self._report = report
        self._children: list[tuple[ChildSpec, _Process]] = []
        self._watched: list[_Process] = []
        self._stopping = threading.Event()

    def spawn(self, specs: Sequence[ChildSpec]) -> None:
        """Starts children without waiting until they are ready."""
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
        """Also restarts a process that the caller has started and stops itself."""
        self._watched.append(_Process(name, log, start, process, time.monotonic()))

    def wait(self, *, timeout_s: float = 120) -> None:
        """Waits until every child is ready.

        Raises:
            PlatformError: a child exited before it was ready (the message has the end of its log), or took too long.
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
        """Restarts processes that exit, with growing delays, and reports each exit, until `request_stop`."""
        while not self._stopping.is_set():
            for process in (*self._watched, *(child for _, child in self._children)):
                self._check(process)
            self._stopping.wait(_CHECK_INTERVAL_S)

    def request_stop(self) -> None:
        """Makes `wait` and `run` return; safe in a signal handler."""
        self._stopping.set()

    def stop(self) -> None:
        """Ends every child's process group: SIGTERM first, SIGKILL after `STOP_TIMEOUT_S`."""
        # A process that waits for its restart has ended: another one may have its process id.
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
        # Processes left in its group would hold its ports.
        _signal_group(process.process, signal.SIGKILL)
        how = f"signal {-code}" if code < 0 else f"code {code}"
        self._schedule(process, f"{process.name} exited ({how}; {log_tail(process.log)})")

    def _restart(self, process: _Process) -> None:
        process.started_at = time.monotonic()
        try:
            process.process = process.start()
        except (OSError, subprocess.SubprocessError) as error:
            # Out of memory or file handles, or an upgrade is replacing the program.
            self._schedule(process, f"{process.name} cannot be started ({error})")
        else:
            process.restart_at = None

    def _schedule(self, process: _Process, reason: str) -> None:
        now = time.monotonic()
        delay = process.backoff.delay_after(now - process.started_at)
        process.restart_at = now + delay
        self._report(f"{reason}: restarting in {delay:g} s, log: {process.log}")


def log_tail(log: Path) -> str:
    """Returns the last line of a log file that says something, without colours."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOG_TAIL_BYTES))
            lines = _COLOUR.sub("", file.read().decode(errors="replace")).strip().splitlines()
    except OSError as error:
        return f"log not readable: {error.strerror}"
    return next((line for line in reversed(lines) if not line.startswith(_LINK_OF_SQLALCHEMY)), "empty log")


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
