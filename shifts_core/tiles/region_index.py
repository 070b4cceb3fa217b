"""The tiles of a region in memory: bounds of all leaves, and the high bits that have been read."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.bounds import TileRow, Tiles, count_leaf_records, ranges, tiles_of_leaves
from shifts_core.tiles.codec import Leaves, decode_leaves
from shifts_core.tiles.format import COLUMNS
from shifts_core.tiles.small_segments import SmallSegments, concatenate

_CHUNK_OVERHEAD_BYTES = 64
"""Memory of a `bytes` object beside its content."""
_WEEK_OVERHEAD_BYTES = 96
"""Memory of the list of a week's chunks."""


class WeekRevision(NamedTuple):
    """The state of a week's tiles; both numbers only grow."""

    revision: int
    """Of the last change."""
    merged: int
    """Of the last merge of segments; after it, segments are only added."""


class Columns(NamedTuple):
    """High bits in memory, of k columns; a column is one coordinate of one leaf, or its minutes."""

    leaves: NDArray[np.int64]
    """Shape (k,): positions in the index."""
    axes: NDArray[np.int64]
    """Shape (k,): 0 to 3, origin lon, lat, destination lon, lat; 4, minutes."""
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
        small: SmallSegments,
    ) -> None:
        self.revision = revision
        """The sum of the weeks' revisions, which grows with every change of the region's tiles."""
        self.weeks = weeks
        """Shape (weeks,): Mondays, ascending."""
        self.week_revisions = week_revisions
        """Shape (weeks,): a number that grows with every change of the week's tiles."""
        self.tiles = tiles
        self.leaves = leaves
        self.small = small
        self.tile_starts = np.searchsorted(tiles.week_of, np.arange(len(weeks) + 1))
        """Shape (weeks + 1,): position of each week's first tile."""
        self.addresses = np.zeros((len(leaves.trips), COLUMNS), np.int64)
        """Shape (leaves, 5): addresses of each coordinate's high bits and of minutes; 0 if they are not in memory."""
        self.last_used = np.zeros(len(weeks))
        """Shape (weeks,): monotonic time of the last request, seconds."""
        self.week_bytes = np.zeros(len(weeks), np.int64)
        """Shape (weeks,): memory of the high bits."""
        self._chunks: list[list[bytes]] = [[] for _ in range(len(weeks))]
        arrays = (
            *tiles,
            *leaves,
            *small,
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

    def without_minutes(self, weeks: slice) -> NDArray[np.bool_]:
        """Weeks some of whose tiles do not store when trips start; shape (weeks,)."""
        found = np.zeros(len(self.weeks), bool)
        found[self.tiles.week_of[self.tiles.has_minutes == 0]] = True
        found[self.small.week_of[self.small.minutes < 0]] = True
        return found[weeks]

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

    def outdated(self, revisions: Mapping[date, WeekRevision]) -> dict[date, int]:
        """Weeks that are missing here or present at another revision, with the revision since which to read segments.

        This is 0 if segments that are here were merged: then all are read.
        """
        known = dict(zip(self.weeks.tolist(), self.week_revisions.tolist(), strict=True))
        return {
            week: known[week] if wanted.merged <= known.get(week, -1) < wanted.revision else 0
            for week, wanted in revisions.items()
            if known.get(week) != wanted.revision
        }

    def updated(
        self,
        revision: int,
        revisions: Mapping[date, WeekRevision],
        rows: Sequence[TileRow],
        read: Leaves,
        small: SmallSegments,
    ) -> "RegionTileIndex":
        """The region at another revision; segments that are still there keep their bounds and high bits.

        Args:
            revision: of the region.
            revisions: of all its weeks.
            rows: the tiles of the `outdated` weeks' segments, without small ones.
            read: their leaves.
            small: the small segments of these weeks, by position among `revisions` in their order.

        Raises:
            ValueError: tiles and their leaves do not fit together.
        """
        mondays = sorted(revisions)
        weeks = np.array(mondays, "datetime64[D]")
        week_revisions = np.array([revisions[week].revision for week in mondays], np.int64)
        outdated = self.outdated(revisions)
        kept_weeks = np.array([outdated.get(week, 1) > 0 for week in mondays], bool)
        # Positions of the kept weeks, here and in the result.
        _, before, after = np.intersect1d(self.weeks, weeks, assume_unique=True, return_indices=True)
        before, after = before[kept_weeks[after]], after[kept_weeks[after]]
        new_position = np.full(len(self.weeks), -1)
        new_position[before] = after

        old = self.tiles
        kept = ranges(self.tile_starts[before], self.tile_starts[before + 1])
        read_counts = count_leaf_records(rows)
        read_starts = len(self.leaves.trips) + np.cumsum(read_counts) - read_counts
        read_weeks = np.searchsorted(weeks, np.array([row.week for row in rows], weeks.dtype))

        def joined(column: NDArray[np.int64], name: str) -> NDArray[np.int64]:
            return np.concatenate([column[kept], np.array([getattr(row, name) for row in rows], np.int64)])

        week_of = np.concatenate([new_position[old.week_of[kept]], read_weeks])
        segments, numbers = joined(old.segments, "segment"), joined(old.numbers, "number")
        signs, trips = joined(old.signs, "sign"), joined(old.trips, "trips")
        has_minutes = joined(old.has_minutes, "has_minutes")
        counts = np.concatenate([np.diff(old.leaf_starts)[kept], read_counts])
        starts = np.concatenate([old.leaf_starts[kept], read_starts])
        order = np.lexsort((numbers, segments, week_of))
        # Positions of the result's leaves among the leaves here, followed by those that were read.
        chosen = ranges(starts[order], (starts + counts)[order])
        leaves = Leaves(
            *(np.concatenate([here, new])[chosen] for here, new in zip(self.leaves, read, strict=True))
        )
        tiles = tiles_of_leaves(
            week_of[order],
            segments[order],
            numbers[order],
            signs[order],
            trips[order],
            has_minutes[order],
            counts[order],
            leaves,
        )
        all_small = concatenate([self.small.with_weeks(new_position), small])

        result = RegionTileIndex(revision, weeks, week_revisions, tiles, leaves, all_small)
        not_read = np.zeros((len(read.trips), COLUMNS), np.int64)
        result.addresses[:] = np.concatenate([self.addresses, not_read])[chosen]
        result.last_used[after], result.week_bytes[after] = self.last_used[before], self.week_bytes[before]
        for here, there in zip(before.tolist(), after.tolist(), strict=True):
            # A copy: chunks of new segments do not belong to the index here.
            result._chunks[there] = [*self._chunks[here]]
        result.high_bits_bytes = int(result.week_bytes.sum())
        return result


def no_small_segments() -> SmallSegments:
    """Small segments without trips."""
    none = np.zeros(0, np.int64)
    return SmallSegments(none, none, none, np.zeros((0, 4)))


def empty_index() -> RegionTileIndex:
    """An index without weeks, from which `updated` starts."""
    none, leaves = np.zeros(0, np.int64), decode_leaves([])
    tiles = tiles_of_leaves(none, none, none, none, none, none, none, leaves)
    return RegionTileIndex(-1, np.zeros(0, "datetime64[D]"), none, tiles, leaves, no_small_segments())
