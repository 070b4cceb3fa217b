"""Runs compiled code on all CPU cores of the process; the code releases the GIL."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from typing import TypeVar

Part = TypeVar("Part")


def for_each(work: Callable[[Part], None], parts: Iterable[Part]) -> None:
    """Run `work` on each part. Parts start in their order, and write to different places."""
    with ThreadPoolExecutor(cpu_count()) as pool:
        list(pool.map(work, parts))


def in_batches(work: Callable[[int, int], None], size: int, batch_size: int) -> None:
    """Run `work(start, stop)` on ranges that cover `size`."""
    for_each(lambda start: work(start, min(start + batch_size, size)), range(0, size, batch_size))
