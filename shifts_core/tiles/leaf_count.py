"""What counts of boxes and of areas have in common: which leaves they examine, and the high bits in memory."""

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.byte_ranges import ByteRanges, high_bits_ranges
from shifts_core.tiles.region_index import Columns, RegionTileIndex


class LeafCount:
    """Counts trips of leaves that bounds do not decide.

    Call in this order: `missing_high_bits` and `load`, `count`, `missing_low_bits` and `resolve`. A count references
    the high bits that it uses, so the index may evict them meanwhile.

    Args:
        index: of the region.
        weeks: positions of the weeks to count.
        leaves: shape (k,): positions of the leaves, ascending.
        needed: shape (k, 5): which columns of high bits decide.
    """

    LEAVES_PER_THREAD = 2000
    """Fewer leaves are counted within 2 ms."""

    def __init__(
        self, index: RegionTileIndex, weeks: slice, leaves: NDArray[np.int64], needed: NDArray[np.bool_]
    ) -> None:
        self.index = index
        self.weeks = weeks
        self._n_weeks = weeks.stop - weeks.start
        index.last_used[weeks] = time.monotonic()
        self._leaves, self._needed = leaves, needed
        self._trips = index.leaves.trips[leaves]
        self._addresses = index.addresses[leaves]
        self._chunks: list[Sequence[bytes]] = [*index.chunks_of(weeks)]
        """Kept so that the addresses stay valid."""

    @property
    def counts(self) -> NDArray[np.int64]:
        """Matching trips by week, and by hour of the week if that is counted; shape (weeks, 1 or 168)."""
        raise NotImplementedError

    @property
    def n_straddling(self) -> int:
        """Leaves whose trips must be examined one by one."""
        return len(self._leaves)

    def missing_high_bits(self) -> ByteRanges:
        """The high bits that must be loaded before counting."""
        return high_bits_ranges(self.index, self._leaves, self._needed & (self._addresses == 0))

    def load(self, columns: Columns, chunks: Sequence[bytes]) -> None:
        """Adds high bits: where the columns lie in memory, and the chunks that hold them."""
        at = np.searchsorted(self._leaves, columns.leaves)
        at[at == len(self._leaves)] = 0
        used = self._leaves[at] == columns.leaves
        self._addresses[at[used], columns.axes[used]] = columns.addresses[used]
        self._chunks.append(chunks)

    def count(self, part: int = 0, parts: int = 1) -> None:
        """Counts by high bits in one of several parts of the leaves; threads may count parts in parallel.

        Raises:
            ValueError: high bits are missing.
        """
        size = -(-self.n_straddling // parts)
        chosen = slice(part * size, min((part + 1) * size, self.n_straddling))
        if chosen.start >= chosen.stop:
            return
        if (self._needed[chosen] & (self._addresses[chosen] == 0)).any():
            raise ValueError("high bits are missing")
        self._count(chosen)

    def missing_low_bits(self) -> ByteRanges | None:
        """The low bits that decide the trips that are not counted yet; None if all are counted."""
        raise NotImplementedError

    def resolve(self, chunks: Sequence[bytes | None]) -> None:
        """Counts the undecided trips, if any; `chunks` holds one chunk per range of `missing_low_bits`.

        Raises:
            ValueError: a chunk has another size than its range.
        """
        raise NotImplementedError

    def _count(self, chosen: slice) -> None:
        raise NotImplementedError


def check_low_bits(chunks: Sequence[bytes | None], sizes: Sequence[int]) -> NDArray[np.uint8]:
    """All low bits that were read, one chunk after the other.

    Raises:
        ValueError: a chunk has another size than its range.
    """
    read = [chunk or b"" for chunk in chunks]
    if [*map(len, read)] != [*sizes]:
        raise ValueError("low bits are shorter than their bounds say")
    return np.frombuffer(b"".join(read), np.uint8)
