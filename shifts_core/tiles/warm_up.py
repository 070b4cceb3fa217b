"""Compiles the kernels that count and those that build tiles before the first request."""

import numpy as np

from shifts_core.tiles.box import Box
from shifts_core.tiles.build import build_tiles
from shifts_core.tiles.format import LEAF_TRIPS
from shifts_core.tiles.kernels import count_leaves, find_undecided, gather_high_bits, match_trips
from shifts_core.tiles.small_segments import SmallSegments


def compile_kernels() -> None:
    """Runs every kernel once, on a leaf of zeros; numba caches the code beside its source, or in NUMBA_CACHE_DIR."""
    high_bits = np.zeros(LEAF_TRIPS, np.uint16)
    addresses = np.full((1, 4), high_bits.ctypes.data, np.int64)
    one = np.zeros(1, np.int64)
    flags = np.ones((1, 4), bool)
    arguments = (addresses, np.ones(1, np.int64), flags, np.zeros((1, 4, 4), np.uint16), False, False)
    count_leaves(*arguments, one.copy(), one.copy())
    find_undecided(*arguments, one, one.copy(), one.copy(), flags.copy(), flags.copy())
    match_trips(flags, flags, False)
    gather_high_bits(addresses[0], one.repeat(4))
    ends = np.zeros((LEAF_TRIPS + 1, 4))
    SmallSegments(one.repeat(4), one.repeat(4), ends[:4]).count_weeks(
        slice(0, 1), Box(0.0, 0.0, 0.0, 0.0), "both"
    )
    list(build_tiles(ends))
