"""Collects trips by (region, week) pair and builds segments of tiles from them, in bounded memory."""

import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.build import build_tiles
from shifts_core.tiles.codec import Tile

MAX_COLLECTED = 2_000_000
"""Trips that are collected before segments must be built: 34 bytes each.

More would leave more to build after the last row is read, fewer would make more segments to count in until a refresh.
"""
_THREADS = min(os.cpu_count() or 1, 2)


class BuiltSegment(NamedTuple):
    """The tiles of a pair's collected trips."""

    region_id: int
    week: date
    trips: int
    tiles: list[Tile]


class SegmentBuilder:
    """Collects trips; `build` empties it."""

    def __init__(self) -> None:
        self._trips: dict[tuple[int, date], list[tuple[NDArray[np.float64], NDArray[np.uint16]]]]
        self._trips = defaultdict(list)
        self._collected = 0

    @property
    def is_full(self) -> bool:
        """Whether the collected trips should be built now, to bound memory."""
        return self._collected >= MAX_COLLECTED

    def add(self, region_id: int, week: date, ends: NDArray[np.float64], minutes: NDArray[np.uint16]) -> None:
        """Adds trips of a pair.

        Args:
            region_id: of the pair.
            week: of the pair.
            ends: shape (n, 4): origin lon, lat, destination lon, lat; degrees.
            minutes: shape (n,): minute of the week in which each trip starts.
        """
        self._trips[region_id, week].append((ends, minutes))
        self._collected += len(ends)

    def build(self) -> list[BuiltSegment]:
        """One segment for each pair, by region and week; on two threads, the largest pairs first."""
        collected, self._trips, self._collected = self._trips, defaultdict(list), 0
        pairs = sorted(collected, key=lambda pair: -sum(len(ends) for ends, _ in collected[pair]))

        def build(pair: tuple[int, date]) -> BuiltSegment:
            # Popped, so that the memory of one pair after the other is freed.
            ends, minutes = map(np.concatenate, zip(*collected.pop(pair), strict=True))
            return BuiltSegment(*pair, len(ends), list(build_tiles(ends, minutes)))

        if len(pairs) < _THREADS:
            return [build(pair) for pair in pairs]
        with ThreadPoolExecutor(_THREADS) as pool:
            return sorted(pool.map(build, pairs))


def runs(keys: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Begin and end of each run of equal keys."""
    bounds = [0, *(np.flatnonzero(np.diff(keys)) + 1).tolist(), len(keys)]
    return list(pairwise(bounds))
