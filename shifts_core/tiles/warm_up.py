"""Compiles the counting kernels ahead of the first question: at install, and when the API starts."""

import numpy as np

from shifts_core.tiles.decode import LEAF_TRIPS
from shifts_core.tiles.kernels import count_leaves, decide, find_open, read_codes


def compile_kernels() -> None:
    """Counts in one empty leaf; numba caches the code beside its source, or in NUMBA_CACHE_DIR."""
    codes = np.zeros(LEAF_TRIPS, np.uint16)
    addresses = np.full((1, 4), codes.ctypes.data, np.int64)
    one = np.zeros(1, np.int64)
    cut = np.ones((1, 4), bool)
    given = (addresses, np.ones(1, np.int64), cut, np.zeros((1, 4, 4), np.uint16), False, False)
    count_leaves(*given, one.copy(), one.copy())
    find_open(*given, one, one.copy(), one.copy(), cut.copy(), cut.copy())
    decide(cut, cut, False)
    read_codes(addresses[0], one.repeat(4))
