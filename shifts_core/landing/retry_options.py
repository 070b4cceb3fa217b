"""How long requests to a bucket wait, and how long they are repeated."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RetryOptions:
    """Limits of one request, in seconds."""

    deadline_s: float = 40.0
    """From the first try to the start of the last one."""
    max_delay_s: float = 8.0
    """The longest pause between two tries; the first is 0.25 s, and each is twice as long as the one before."""
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 30.0
    """The longest silence within one try."""
