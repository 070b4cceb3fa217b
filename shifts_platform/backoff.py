"""Delays before a process that exited is restarted."""

FIRST_DELAY_S = 0.5
MAX_DELAY_S = 60.0
STABLE_AFTER_S = 60.0
"""A process that ran this long has recovered: its next delay is `FIRST_DELAY_S`."""


class Backoff:
    """Exponential backoff of one process: the delay doubles with each exit, up to `MAX_DELAY_S`."""

    def __init__(self) -> None:
        self._exits = 0

    def delay_after(self, ran_s: float) -> float:
        """Returns the seconds to wait after the process ran `ran_s` seconds and exited."""
        if ran_s >= STABLE_AFTER_S:
            self._exits = 0
        # The exponent is bounded: the power would overflow after a day of exits.
        delay = FIRST_DELAY_S * 2 ** min(self._exits, 30)
        self._exits += 1
        return float(min(delay, MAX_DELAY_S))
