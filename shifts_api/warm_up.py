"""Compiles what is compiled, at install and when the service starts: else the first question would wait for it."""

import numpy as np

from shifts_api.counting.leaves import LEAF_TRIPS
from shifts_api.counting.tally import count_leaves, decide, find_open, read_codes


def main() -> None:
    """Counts a leaf of nothing; the compiled code is kept beside its source, or where NUMBA_CACHE_DIR says."""
    codes = np.zeros(LEAF_TRIPS, np.uint16)
    addresses = np.full((1, 4), codes.ctypes.data, np.int64)
    one = np.zeros(1, np.int64)
    cut = np.ones((1, 4), bool)
    given = (addresses, np.ones(1, np.int64), cut, np.zeros((1, 4, 4), np.uint16), False, False)
    count_leaves(*given, one.copy(), one.copy())
    find_open(*given, one, one.copy(), one.copy(), cut.copy(), cut.copy())
    decide(cut, cut, False)
    read_codes(addresses[0], one.repeat(4))


if __name__ == "__main__":
    main()
