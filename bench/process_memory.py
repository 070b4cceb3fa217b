"""Samples what the processes of a platform use while a measurement goes on."""

import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import psutil

_INTERVAL_S = 1.0
_ROLES = (
    ("postgres", "PostgreSQL, all processes"),
    ("shifts_api", "API"),
    ("webserver", "Dagster webserver"),
    ("daemon", "Dagster daemon"),
    ("code_server", "Dagster code server"),
    ("multiprocessing", "largest run worker"),
)


class ProcessMemory:
    """Peaks of memory by role, and the share of the machine's cores that was idle, from entry to exit."""

    def __init__(self, processes: Callable[[], list[int]]) -> None:
        self._processes = processes
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.peaks_mib: dict[str, float] = defaultdict(float)
        """By role; of the largest process for run workers, otherwise of all processes of the role."""
        self.peak_mib = 0.0
        """Of all processes together. Shared memory counts once."""

    def __enter__(self) -> "ProcessMemory":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(_INTERVAL_S):
            now: dict[str, float] = defaultdict(float)
            largest = shared = 0.0
            for pid in self._processes():
                try:
                    role = _role(" ".join(psutil.Process(pid).cmdline()))
                    private, shared_part = _memory_mib(pid)
                except (psutil.Error, OSError):
                    continue
                shared = max(shared, shared_part)
                if role == _ROLES[-1][1]:
                    largest = max(largest, private)
                    role = "all run workers"
                now[role] += private
            self.peak_mib = max(self.peak_mib, sum(now.values()) + shared)
            now[_ROLES[-1][1]], now["shared buffers"] = largest, shared
            for role, mib in now.items():
                self.peaks_mib[role] = max(self.peaks_mib[role], mib)


def _memory_mib(pid: int) -> tuple[float, float]:
    """Private and shared memory of a process, without files that are mapped."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = dict(line.split(":", 1) for line in lines if line.startswith(("RssAnon:", "RssShmem:")))
    # A zombie has neither.
    private, shared = (int(found.get(name, "0").split()[0]) / 1024 for name in ("RssAnon", "RssShmem"))
    return private, shared


def _role(command: str) -> str:
    return next((role for word, role in _ROLES if word in command), "supervisor and others")
