"""The process tree: children are started in their own groups, restarted when they die, and ended together."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from shifts_platform.errors import PlatformError

DEATHS = 5
DEATHS_WITHIN_S = 60.0
"""So many deaths in so short a time are no accident: the platform goes down and says why."""
ENDING_TAKES_S = 5.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class ChildSpec:
    """A process that belongs to the platform."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    is_ready: Callable[[], bool]


@dataclass
class _Child:
    spec: ChildSpec
    process: subprocess.Popen[bytes]
    deaths: list[float] = field(default_factory=list)
    restart_at: float | None = None


class Supervisor:
    """Keeps children running until told to stop.

    Each child leads a process group, so that what it starts itself (Dagster's runs) ends with it; where the
    system can, it is also ended when the supervisor vanishes.
    """

    def __init__(self, logs: Path, notice: Callable[[str], None]) -> None:
        self._logs = logs
        self._notice = notice
        self._children: list[_Child] = []
        self._stopping = threading.Event()

    def spawn(self, specs: Sequence[ChildSpec]) -> None:
        """Starts children side by side and goes on."""
        self._children += [_Child(spec, self._spawn(spec)) for spec in specs]

    def wait(self, *, timeout_s: float = 120) -> None:
        """Waits until all that was started is ready.

        Raises:
            PlatformError: one dies before it is ready, or takes too long; the message has its last words.
        """
        deadline = time.monotonic() + timeout_s
        waiting = list(self._children)
        while waiting and not self._stopping.is_set():
            for child in list(waiting):
                if child.process.poll() is not None:
                    raise PlatformError(f"{child.spec.name} does not start: {self._last_words(child.spec)}")
                if child.spec.is_ready():
                    waiting.remove(child)
            if waiting and time.monotonic() > deadline:
                names = ", ".join(child.spec.name for child in waiting)
                raise PlatformError(f"not ready after {timeout_s:.0f} s: {names}; see {self._logs}")
            self._stopping.wait(0.1)

    def run(self, also_alive: Callable[[], None]) -> None:
        """Restarts what dies, until `request_stop`.

        Args:
            also_alive: called every round to look after what is no child here; its error ends the run.

        Raises:
            PlatformError: a child keeps dying.
        """
        while not self._stopping.is_set():
            also_alive()
            for child in self._children:
                self._look_after(child)
            self._stopping.wait(0.3)

    def request_stop(self) -> None:
        """Makes `wait` and `run` return; safe in a signal handler."""
        self._stopping.set()

    def stop(self) -> None:
        """Ends every group: asked first, killed after `ENDING_TAKES_S`."""
        for child in self._children:
            _signal_group(child.process, signal.SIGTERM)
        deadline = time.monotonic() + ENDING_TAKES_S
        for child in self._children:
            try:
                child.process.wait(timeout=max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                continue
        for child in self._children:
            _signal_group(child.process, signal.SIGKILL)
            child.process.wait()

    def _look_after(self, child: _Child) -> None:
        code = child.process.poll()
        if code is None:
            return
        now = time.monotonic()
        if child.restart_at is None:
            # What it left behind in its group would hold its ports.
            _signal_group(child.process, signal.SIGKILL)
            child.deaths = [*(t for t in child.deaths if now - t < DEATHS_WITHIN_S), now]
            if len(child.deaths) >= DEATHS:
                raise PlatformError(
                    f"{child.spec.name} died {DEATHS} times in a minute: {self._last_words(child.spec)}"
                )
            child.restart_at = now + 0.5 * 2 ** (len(child.deaths) - 1)
            how = f"signal {-code}" if code < 0 else f"code {code}"
            self._notice(f"{child.spec.name} died ({how}), it is started again")
        elif now >= child.restart_at:
            child.restart_at = None
            child.process = self._spawn(child.spec)

    def _spawn(self, spec: ChildSpec) -> subprocess.Popen[bytes]:
        with self._log(spec).open("ab") as log:
            return subprocess.Popen(
                spec.command,
                env={**os.environ, **spec.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_prepare_child,  # noqa: PLW1509  no other thread holds a lock that it needs
            )

    def _log(self, spec: ChildSpec) -> Path:
        return self._logs / f"{spec.name.replace(' ', '-')}.log"

    def _last_words(self, spec: ChildSpec) -> str:
        lines = self._log(spec).read_text(errors="replace").strip().splitlines()
        return f"{lines[-1] if lines else 'no word'} (log: {self._log(spec)})"


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _prepare_child() -> None:
    # A shell that starts us in the background ignores SIGINT, and Dagster's processes would inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
