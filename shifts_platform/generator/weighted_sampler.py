"""Weighted sampling with a lookup table: 16 random bits select an entry, the entry is the choice."""

import numpy as np
from numpy.typing import NDArray

_ENTRIES = 1 << 16


def lookup_table(weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the choices 0 to n - 1 in rising order, each as often as its weight requires; shape (65536,)."""
    # cumsum adds in a fixed order; np.sum adds in an order that depends on the machine.
    shares = weights.cumsum()
    stops = np.rint(shares / shares[-1] * _ENTRIES).astype(np.int64)
    return np.repeat(np.arange(len(weights)), np.diff(stops, prepend=0))


def sample_entries(rng: np.random.Generator, count: int) -> NDArray[np.uint16]:
    """Return random indices into a lookup table; shape (count,)."""
    return rng.integers(0, _ENTRIES, count, dtype=np.uint16)


def zipf_weights(count: int, offset: float) -> NDArray[np.float64]:
    """Return 1 / (rank + offset) for ranks from 1, shape (count,): Zipf's law, its head flattened by the offset."""
    return 1.0 / (np.arange(1, count + 1, dtype=np.float64) + offset)
