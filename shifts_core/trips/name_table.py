"""A hash table of names, filled by compiled code."""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

NO_ROOM = -1
_FNV_START, _FNV_PRIME, _HASH_SHIFT = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3), np.uint64(29)


class NameTable(NamedTuple):
    """Names by number, found by their bytes."""

    text: NDArray[np.uint8]
    """All names, one after the other."""
    ends: NDArray[np.int64]
    """(capacity + 1,): name n is text[ends[n]:ends[n + 1]]."""
    slots: NDArray[np.int32]
    """Hash table of numbers, -1 where free; a power of two, at least twice the capacity."""
    used: NDArray[np.int64]
    """(1,): number of names."""


@numba.njit(cache=True, nogil=True)
def find_or_add(data, begin, end, names):  # type: ignore[no-untyped-def]
    """The number of the name data[begin:end]; -1 if it is new and the table has no room."""
    text, ends, slots, used = names
    number, slot = find(data, begin, end, text, ends, slots)
    if number >= 0:
        return number
    count = used[0]
    start = ends[count]
    stop = start + end - begin
    if count + 1 >= ends.size or stop > text.size:
        return np.int32(-1)
    for offset in range(end - begin):
        text[start + offset] = data[begin + offset]
    ends[count + 1] = stop
    slots[slot] = count
    used[0] = count + 1
    return np.int32(count)


@numba.njit(cache=True, nogil=True)
def find(data, begin, end, text, ends, slots):  # type: ignore[no-untyped-def]
    """The number of the name data[begin:end] and its slot; -1 and the slot for it if it is new."""
    hashed = _FNV_START
    for pos in range(begin, end):
        hashed = (hashed ^ np.uint64(data[pos])) * _FNV_PRIME
    mask = slots.size - 1
    slot = np.int64((hashed ^ (hashed >> _HASH_SHIFT)) & np.uint64(mask))
    length = end - begin
    while True:
        number = slots[slot]
        if number < 0:
            return number, slot
        start = ends[number]
        if ends[number + 1] - start == length:
            same = True
            for offset in range(length):
                if text[start + offset] != data[begin + offset]:
                    same = False
                    break
            if same:
                return number, slot
        slot = (slot + 1) & mask
