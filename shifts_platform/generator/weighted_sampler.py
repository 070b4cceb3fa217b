"""Weighted choice as a lottery: 16 random bits name a ticket, the ticket names the choice."""

import numpy as np
from numpy.typing import NDArray

_TICKETS = 1 << 16


def tickets(weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """(65536,): each of the choices 0..n-1, as often as its weight deserves, in rising order."""
    # Sums in a fixed order: np.sum takes another one on another machine.
    shares = weights.cumsum()
    ends = np.rint(shares / shares[-1] * _TICKETS).astype(np.int64)
    return np.repeat(np.arange(len(weights)), np.diff(ends, prepend=0))


def draw(rng: np.random.Generator, count: int) -> NDArray[np.uint16]:
    """(count,): the tickets that won."""
    return rng.integers(0, _TICKETS, count, dtype=np.uint16)


def zipf(count: int, offset: float) -> NDArray[np.float64]:
    """(count,): weights 1 / (rank + offset), ranks from 1; Zipf's law, its head flattened by the offset."""
    return 1.0 / (np.arange(1, count + 1, dtype=np.float64) + offset)
