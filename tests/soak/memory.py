"""Memory of the long-running processes over time: unbounded growth is a finding."""

import time

import psutil

from tests.soak.platform import SoakPlatform
from tests.soak.report import Report

_ROLES = ("api", "code server", "daemon", "webserver", "supervisor")
_WARM_AFTER_S = 60.0
_GROWTH, _FLOOR_BYTES = 3.0, 1024**3
_MIB = 1024**2


class Memory:
    """Resident bytes of each process, by role and process id."""

    def __init__(self, platform: SoakPlatform, report: Report) -> None:
        self._platform, self._report = platform, report
        self._begun = time.monotonic()
        self._samples: dict[tuple[str, int], list[tuple[float, int]]] = {}

    def sample(self) -> None:
        """Samples every process."""
        now = time.monotonic()
        for role in _ROLES:
            for process in self._platform.processes(role):
                try:
                    resident = process.memory_info().rss
                except psutil.Error:
                    continue
                self._samples.setdefault((role, process.pid), []).append((now, resident))

    def judge(self) -> None:
        """Writes the series to the report and compares each process with itself after its warm-up."""
        for (role, pid), samples in self._samples.items():
            warm = [size for moment, size in samples if moment - samples[0][0] >= _WARM_AFTER_S]
            series = [f"{moment - self._begun:.0f} s: {size // _MIB} MiB" for moment, size in samples[::6]]
            self._report.note("memory", role=role, pid=pid, series=series)
            if warm and max(warm) > _FLOOR_BYTES and max(warm) > _GROWTH * warm[0]:
                self._report.finding("memory grows without bound", role=role, pid=pid, series=series)
            self._report.check("processes whose memory was watched")
