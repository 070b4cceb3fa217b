"""Runs compiled code on all CPU cores of the process or, if set, NUMBA_NUM_THREADS; the code releases the GIL."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numba

Part = TypeVar("Part")

FEW_TRIPS = 5_000
"""A tree of so few trips is built and searched faster than threads start."""


def for_each(work: Callable[[Part], None], parts: Iterable[Part]) -> None:
    """Run `work` on each part. Parts start in their order, and write to different places."""
    found = list(parts)
    if len(found) <= 1:
        # Starting threads takes ten times as long as a search around a hundred trips.
        for part in found:
            work(part)
        return
    with ThreadPoolExecutor(int(numba.config.NUMBA_NUM_THREADS)) as pool:
        list(pool.map(work, found))


def in_batches(work: Callable[[int, int], None], size: int, batch_size: int) -> None:
    """Run `work(start, stop)` on ranges that cover `size`."""
    for_each(lambda start: work(start, min(start + batch_size, size)), range(0, size, batch_size))
