"""Faults at random moments: kills and pauses of every process, full disks, an outage of the bucket."""

import random
import signal
import threading
import time
from collections.abc import Callable

import psutil

from tests.soak.bucket import OUTAGES, Bucket
from tests.soak.disk import SmallDisk
from tests.soak.platform import NotStartedError, SoakPlatform
from tests.soak.report import Report

_VICTIMS = {
    "run worker": 30,
    "api": 14,
    "daemon": 12,
    "code server": 12,
    "webserver": 5,
    "backend": 12,
    "postmaster": 7,
    "supervisor": 2,
}
"""Role → relative frequency of faults."""
_PAUSED_FOR_S = (1.0, 15.0)
_DISK_FULL_FOR_S = (5.0, 20.0)
_OUTAGE_FOR_S = (5.0, 40.0)


class Faults:
    """Injects one fault at a time; each is undone before the next one begins."""

    def __init__(
        self,
        platform: SoakPlatform,
        disks: dict[str, SmallDisk],
        bucket: Bucket | None,
        rng: random.Random,
        report: Report,
    ) -> None:
        self._platform, self._disks, self._bucket = platform, disks, bucket
        self._rng, self._report = rng, report
        self._ended = threading.Event()
        self._lifecycle = threading.Lock()
        self._closed = False

    def end(self) -> None:
        """Ends the current fault early."""
        self._ended.set()

    def close(self) -> None:
        """Prevents restarts, because the platform is about to be stopped."""
        self._ended.set()
        with self._lifecycle:
            self._closed = True

    def inject(self) -> None:
        """Injects one fault and waits for its end."""
        faults: list[tuple[Callable[[], None], int]] = [(self._kill, 60), (self._pause, 22)]
        if any(disk.is_mounted for disk in self._disks.values()):
            faults.append((self._fill_a_disk, 9))
        if self._bucket is not None:
            faults.append((self._bucket_outage, 30))
        self._rng.choices([fault for fault, _ in faults], [weight for _, weight in faults])[0]()

    def revive(self) -> None:
        """Restarts the platform if `shifts up` has exited; only a kill by the soak may cause that."""
        with self._lifecycle:
            process = self._platform.process
            if self._closed or process is None or process.poll() is None:
                return
            self._report.finding(
                "the platform ended", exit_code=process.returncode, output=self._platform.log_tail()
            )
            self._start_again()

    def _kill(self) -> None:
        role, victim = self._victim()
        if victim is None:
            return
        self._report.fault(f"kill {role}", pid=victim.pid)
        if role != "supervisor":
            _signal(victim, signal.SIGKILL)
            return
        with self._lifecycle:
            if self._closed or self._platform.process is None:
                return
            _signal(victim, signal.SIGKILL)
            self._platform.process.wait(30)
            self._start_again()

    def _pause(self) -> None:
        role, victim = self._victim()
        if victim is None:
            return
        seconds = self._rng.uniform(*_PAUSED_FOR_S)
        self._report.fault(f"pause {role}", pid=victim.pid, lasts_s=seconds)
        _signal(victim, signal.SIGSTOP)
        try:
            self._ended.wait(seconds)
        finally:
            _signal(victim, signal.SIGCONT)

    def _fill_a_disk(self) -> None:
        name = self._rng.choice([name for name, disk in self._disks.items() if disk.is_mounted])
        seconds = self._rng.uniform(*_DISK_FULL_FOR_S)
        self._report.fault(f"full disk: {name}", lasts_s=seconds)
        disk, until = self._disks[name], time.monotonic() + seconds
        try:
            while time.monotonic() < until and not self._ended.is_set():
                disk.fill()
                self._ended.wait(0.5)
        finally:
            disk.free()

    def _bucket_outage(self) -> None:
        assert self._bucket is not None
        kind = self._rng.choice(OUTAGES)
        seconds = self._rng.uniform(*_OUTAGE_FOR_S)
        self._report.fault(f"bucket {kind}", lasts_s=seconds)
        with self._bucket.outage(kind):
            self._ended.wait(seconds)

    def _victim(self) -> tuple[str, psutil.Process | None]:
        role = self._rng.choices(list(_VICTIMS), list(_VICTIMS.values()))[0]
        deadline = time.monotonic() + 10
        while not (found := self._platform.processes(role)):
            # Run workers live for seconds; the others may be starting again.
            if time.monotonic() > deadline or self._ended.wait(0.1):
                return role, None
        return role, self._rng.choice(found)

    def _start_again(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and any(
            self._platform.processes(role) for role in ("api", "daemon", "code server", "webserver")
        ):
            time.sleep(0.5)
        try:
            self._platform.start()
        except NotStartedError as error:
            self._report.finding("the platform does not start again", output=str(error))
            self._platform.kill_all()
            try:
                self._platform.start()
            except NotStartedError as again:
                self._report.finding("the platform does not start even afresh", output=str(again))


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.Error:
        return
