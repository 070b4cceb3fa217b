"""Ids of groups: the same trips give the same id, whenever and wherever they are grouped again."""

import hashlib
from datetime import date

import numpy as np
from numpy.typing import NDArray

from shifts_core.ids import NUMBER_BITS, first_id


def cluster_ids(
    region: str, week: date, members: NDArray[np.int64], ends: NDArray[np.float64], moments: NDArray[np.int64]
) -> NDArray[np.int64]:
    """An id for each group: the week from bit 40 up, below it a number made of what its trips are; shape (g,).

    Args:
        region: whose trips these are.
        week: its Monday.
        members: shape (n,): group of each trip, 0 to g - 1, or -1.
        ends: shape (n, 4), degrees.
        moments: shape (n,), microseconds since the week's Monday.
    """
    grouped = np.flatnonzero(members >= 0)
    order = grouped[np.lexsort((moments[grouped], *ends[grouped].T, members[grouped]))]
    content = np.column_stack([ends[order].view(np.int64), moments[order]])
    sizes = np.bincount(members[grouped])
    base = first_id(week)
    seed = f"{region}\0".encode()
    ids = np.empty(len(sizes), np.int64)
    taken: set[int] = set()
    begin = 0
    for group, size in enumerate(sizes.tolist()):
        number = _hash(seed + content[begin : begin + size].tobytes())
        while number in taken:
            number = (number + 1) % (1 << NUMBER_BITS)
        taken.add(number)
        ids[group] = base | number
        begin += size
    return ids


def _hash(content: bytes) -> int:
    digest = hashlib.blake2b(content, digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - NUMBER_BITS)
