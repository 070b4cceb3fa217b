"""A thread of the soak: repeats an action at random intervals until it is stopped."""

import random
import threading
import time
from collections.abc import Callable

from tests.soak.report import Report


class Repeater(threading.Thread):
    """Calls `work` repeatedly, with random pauses of about `every_s` seconds."""

    def __init__(
        self, name: str, work: Callable[[], None], every_s: float, rng: random.Random, report: Report
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._work, self._every_s, self._rng, self._report = work, every_s, rng, report
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Works until `end`."""
        while not self._stop_asked.is_set():
            with self._report.guarded(self.name):
                self._work()
            self._stop_asked.wait(self._every_s * self._rng.uniform(0.2, 1.8))

    def ask_to_end(self) -> None:
        """Lets the thread end after the current call."""
        self._stop_asked.set()


def end(threads: list[Repeater], report: Report, *, timeout_s: float) -> None:
    """Ends threads; one that does not end in time is a finding."""
    deadline = time.monotonic() + timeout_s
    for thread in threads:
        thread.ask_to_end()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            report.finding("an action never ended", thread=thread.name)
