"""The tiles of a region in memory: bounds of all leaves, and the high bits that have been read."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.bounds import TileRow, Tiles, count_leaf_records, ranges, tiles_of_leaves
from shifts_core.tiles.codec import Leaves, decode_leaves

_CHUNK_OVERHEAD_BYTES = 64
"""Memory of a `bytes` object beside its content."""
_WEEK_OVERHEAD_BYTES = 96
"""Memory of the list of a week's chunks."""


class Columns(NamedTuple):
    """High bits in memory, of k columns; a column is one coordinate of one leaf."""

    leaves: NDArray[np.int64]
    """Shape (k,): positions in the index."""
    axes: NDArray[np.int64]
    """Shape (k,): 0 to 3, origin lon, lat, destination lon, lat."""
    addresses: NDArray[np.int64]
    """Shape (k,): where the columns start in memory."""


class RegionTileIndex:
    """All weeks of a region at one revision of its tiles.

    The tiles of a week do not change within one revision. High bits stay in the chunks of bytes in which they were
    read, so memory is taken for exactly what was read, and is freed by week. No chunk is large enough for malloc to
    map it on its own (128 KiB), so the number of memory mappings does not grow with the data.
    """

    def __init__(
        self,
        revision: int,
        weeks: NDArray[np.datetime64],
        week_revisions: NDArray[np.int64],
        tiles: Tiles,
        leaves: Leaves,
    ) -> None:
        self.revision = revision
        """The sum of the weeks' revisions, which grows with every change of the region's tiles."""
        self.weeks = weeks
        """Shape (weeks,): Mondays, ascending."""
        self.week_revisions = week_revisions
        """Shape (weeks,): a number that grows with every change of the week's tiles."""
        self.tiles = tiles
        self.leaves = leaves
        self.tile_starts = np.searchsorted(tiles.week_of, np.arange(len(weeks) + 1))
        """Shape (weeks + 1,): position of each week's first tile."""
        self.addresses = np.zeros((len(leaves.trips), 4), np.int64)
        """Shape (leaves, 4): addresses of the high bits of each coordinate; 0 if they are not in memory."""
        self.last_used = np.zeros(len(weeks))
        """Shape (weeks,): monotonic time of the last request, seconds."""
        self.week_bytes = np.zeros(len(weeks), np.int64)
        """Shape (weeks,): memory of the high bits."""
        self._chunks: list[list[bytes]] = [[] for _ in range(len(weeks))]
        arrays = (
            *tiles,
            *leaves,
            weeks,
            week_revisions,
            self.tile_starts,
            self.addresses,
            self.last_used,
            self.week_bytes,
        )
        self.bounds_bytes = sum(array.nbytes for array in arrays) + _WEEK_OVERHEAD_BYTES * len(weeks)
        """Memory of everything but high bits."""
        self.high_bits_bytes = 0
        """Memory of the high bits of all weeks."""

    def weeks_between(self, first: date, last: date) -> slice:
        """Positions of the weeks from one Monday to another, both included."""
        start = np.searchsorted(self.weeks, np.datetime64(first))
        return slice(int(start), int(np.searchsorted(self.weeks, np.datetime64(last), side="right")))

    def chunks_of(self, weeks: slice) -> list[list[bytes]]:
        """The chunks that hold the high bits of some weeks; addresses stay valid while these lists are referenced."""
        return self._chunks[weeks]

    def store(self, columns: Columns, weeks: Sequence[int], chunks: Sequence[bytes]) -> int:
        """Adds high bits and returns the memory that they take.

        Args:
            columns: all columns in the chunks.
            weeks: position of each chunk's week.
            chunks: as read.
        """
        self.addresses[columns.leaves, columns.axes] = columns.addresses
        for week, chunk in zip(weeks, chunks, strict=True):
            self._chunks[week].append(chunk)
        sizes = np.array([len(chunk) for chunk in chunks], np.int64) + _CHUNK_OVERHEAD_BYTES
        np.add.at(self.week_bytes, np.asarray(weeks, np.int64), sizes)
        added = int(sizes.sum())
        self.high_bits_bytes += added
        return added

    def evict(self, week: int) -> int:
        """Drops the high bits of the week at a position and returns their memory; counts in progress keep them."""
        freed = int(self.week_bytes[week])
        starts = self.tiles.leaf_starts[self.tile_starts[week : week + 2]]
        self.addresses[starts[0] : starts[1]] = 0
        self._chunks[week] = []
        self.week_bytes[week] = 0
        self.high_bits_bytes -= freed
        return freed

    def outdated(self, revisions: Mapping[date, int]) -> list[date]:
        """Weeks that are missing here or present at another revision."""
        known = dict(zip(self.weeks.tolist(), self.week_revisions.tolist(), strict=True))
        return [week for week, revision in revisions.items() if known.get(week) != revision]

    def updated(
        self, revision: int, revisions: Mapping[date, int], rows: Sequence[TileRow], read: Leaves
    ) -> "RegionTileIndex":
        """The region at another revision; unchanged weeks keep their bounds and high bits.

        Args:
            revision: of the region.
            revisions: of all its weeks.
            rows: the tiles of the `outdated` weeks.
            read: their leaves.

        Raises:
            ValueError: tiles and their leaves do not fit together.
        """
        mondays = sorted(revisions)
        weeks = np.array(mondays, "datetime64[D]")
        week_revisions = np.array([revisions[week] for week in mondays], np.int64)
        # Positions of the kept weeks, here and in the result.
        _, before, after = np.intersect1d(self.weeks, weeks, assume_unique=True, return_indices=True)
        same = self.week_revisions[before] == week_revisions[after]
        before, after = before[same], after[same]
        new_position = np.full(len(self.weeks), -1)
        new_position[before] = after

        old = self.tiles
        kept = ranges(self.tile_starts[before], self.tile_starts[before + 1])
        read_counts = count_leaf_records(rows)
        read_starts = len(self.leaves.trips) + np.cumsum(read_counts) - read_counts
        read_weeks = np.searchsorted(weeks, np.array([row.week for row in rows], weeks.dtype))
        week_of = np.concatenate([new_position[old.week_of[kept]], read_weeks])
        tile_numbers = np.concatenate([old.numbers[kept], np.array([row.number for row in rows], np.int64)])
        trips = np.concatenate([old.trips[kept], np.array([row.trips for row in rows], np.int64)])
        counts = np.concatenate([np.diff(old.leaf_starts)[kept], read_counts])
        starts = np.concatenate([old.leaf_starts[kept], read_starts])
        order = np.lexsort((tile_numbers, week_of))
        # Positions of the result's leaves among the leaves here, followed by those that were read.
        chosen = ranges(starts[order], (starts + counts)[order])
        leaves = Leaves(
            *(np.concatenate([here, new])[chosen] for here, new in zip(self.leaves, read, strict=True))
        )
        tiles = tiles_of_leaves(week_of[order], tile_numbers[order], trips[order], counts[order], leaves)

        result = RegionTileIndex(revision, weeks, week_revisions, tiles, leaves)
        not_read = np.zeros((len(read.trips), 4), np.int64)
        result.addresses[:] = np.concatenate([self.addresses, not_read])[chosen]
        result.last_used[after], result.week_bytes[after] = self.last_used[before], self.week_bytes[before]
        for here, there in zip(before.tolist(), after.tolist(), strict=True):
            result._chunks[there] = self._chunks[here]
        result.high_bits_bytes = int(result.week_bytes.sum())
        return result


def empty_index() -> RegionTileIndex:
    """An index without weeks, from which `updated` starts."""
    none, leaves = np.zeros(0, np.int64), decode_leaves([])
    tiles = tiles_of_leaves(none, none, none, none, leaves)
    return RegionTileIndex(-1, np.zeros(0, "datetime64[D]"), none, tiles, leaves)
