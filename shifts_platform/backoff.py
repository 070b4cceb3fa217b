"""How long to wait before a process that exited is started again."""

FIRST_DELAY_S = 0.5
MAX_DELAY_S = 60.0
STABLE_AFTER_S = 60.0
"""A process that ran this long has recovered: its next delay is the first one again."""


class Backoff:
    """Delays for one process: doubled with each exit, up to a limit, for as long as it keeps exiting."""

    def __init__(self) -> None:
        self._exits = 0

    def delay_after(self, ran_s: float) -> float:
        """Seconds to wait now that the process exited after running `ran_s` seconds."""
        if ran_s >= STABLE_AFTER_S:
            self._exits = 0
        # Bounded before it is a power, which would overflow after a day of exits.
        delay = FIRST_DELAY_S * 2 ** min(self._exits, 30)
        self._exits += 1
        return float(min(delay, MAX_DELAY_S))
