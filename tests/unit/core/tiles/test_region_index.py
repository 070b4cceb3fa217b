"""The index of a region's tiles: its memory, updates, eviction and checks of its input."""

import gc
import tracemalloc
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from shifts_core.tiles.bounds import TileRow
from shifts_core.tiles.box import Box
from shifts_core.tiles.box_count import BoxCount
from shifts_core.tiles.byte_ranges import high_bits_ranges
from shifts_core.tiles.codec import Tile, decode_leaves
from shifts_core.tiles.format import LEAF_DTYPE, TILE_TRIPS
from shifts_core.tiles.region_index import WeekRevision, empty_index, no_small_segments
from tests.unit.core.tiles.counting import (
    count_one_by_one,
    count_weeks,
    load_all,
    read,
    resolve,
    tile_rows,
    to_index,
)
from tests.unit.core.tiles.random_trips import tiles_of

BOX = Box(7.64, 45.04, 7.66, 45.06)
WEEK = date(2018, 5, 28)


def trips(count: int, seed: int = 1) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.round(np.random.default_rng(seed).normal([7.65, 45.05] * 2, 0.02, (count, 4)), 6)


def many_weeks(count: int) -> dict[date, list[Tile]]:
    """Weeks of 50 trips each."""
    tiles = tiles_of(trips(50))
    return {date(1970, 1, 5) + timedelta(weeks=number): tiles for number in range(count)}


def mappings() -> int:
    return len(Path("/proc/self/maps").read_text().splitlines())


def test_the_number_of_memory_mappings_does_not_grow_with_the_weeks() -> None:
    tiles = many_weeks(5_000)
    before = mappings()
    index = to_index(tiles)
    load_all(index, tiles)
    assert (index.addresses != 0).all()
    assert mappings() - before < 100


def test_chunks_stay_below_the_size_that_malloc_maps_separately() -> None:
    tiles = {WEEK: tiles_of(trips(2 * TILE_TRIPS + 5))}
    index = to_index(tiles)
    leaves = np.arange(len(index.leaves.trips))
    missing = high_bits_ranges(index, leaves, index.addresses == 0)
    assert len(missing.sizes) == 5 * 2 + 1
    assert missing.sizes.max() + 64 < 128 * 1024


def test_the_reported_memory_is_the_allocated_memory() -> None:
    tiles = many_weeks(5_000)
    gc.collect()
    tracemalloc.start()
    try:
        index = to_index(tiles)
        load_all(index, tiles)
        gc.collect()
        allocated = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    reported = index.bounds_bytes + index.high_bits_bytes
    assert 0.9 * allocated < reported < 1.3 * allocated


def test_a_count_is_not_affected_by_an_eviction() -> None:
    ends = trips(20_000)
    tiles = {WEEK: tiles_of(ends)}
    index = to_index(tiles)
    load_all(index, tiles)
    box_count = BoxCount(index, slice(0, 1), BOX, "both")
    held = index.high_bits_bytes
    assert index.evict(0) == held
    assert index.high_bits_bytes == 0
    assert not index.addresses.any()
    # Freed memory would be overwritten.
    _ = [bytes(size) for size in range(1000, 100_000, 1000)]
    box_count.count()
    resolve(box_count, tiles)
    assert box_count.counts.tolist() == [[count_one_by_one(ends, BOX, "both")]]
    assert len(BoxCount(index, slice(0, 1), BOX, "both").missing_high_bits().sizes) > 0


def test_unchanged_weeks_keep_their_high_bits_in_an_update() -> None:
    weeks = [WEEK + timedelta(weeks=number) for number in range(4)]
    ends = {week: trips(3_000, seed=number) for number, week in enumerate(weeks)}
    tiles = {week: tiles_of(of_week) for week, of_week in ends.items()}
    before = to_index({week: tiles[week] for week in (weeks[0], weeks[1], weeks[3])})
    load_all(before, tiles)
    # The second week has changed, the third is new, the fourth is gone.
    ends[weeks[1]] = trips(2_000, seed=9)
    tiles[weeks[1]] = tiles_of(ends[weeks[1]])
    revisions = {
        weeks[0]: WeekRevision(1, 1),
        weeks[1]: WeekRevision(2, 2),
        weeks[2]: WeekRevision(1, 0),
    }
    assert before.outdated(revisions) == {weeks[1]: 0, weeks[2]: 0}
    rows = [row for week in weeks[1:3] for row in tile_rows(week, tiles[week])]
    leaves = decode_leaves([row.leaves for row in rows])
    after = before.updated(2, revisions, rows, leaves, no_small_segments())
    assert after.weeks.tolist() == weeks[:3]
    assert after.week_bytes.astype(bool).tolist() == [True, False, False]
    assert after.high_bits_bytes == before.week_bytes[0]
    counts = count_weeks(after, tiles, BOX, "any")
    assert counts.tolist() == [count_one_by_one(ends[week], BOX, "any") for week in weeks[:3]]


def test_a_week_without_tiles_counts_zero() -> None:
    tiles = {WEEK: tiles_of(trips(100)), WEEK + timedelta(weeks=1): []}
    assert count_weeks(to_index(tiles), tiles, Box(-180, -90, 180, 90), "both").tolist() == [100, 0]


@pytest.mark.parametrize("change", ["fewer leaves", "more trips", "too many trips in a leaf"])
def test_tiles_that_contradict_their_leaves_are_rejected(change: str) -> None:
    (tile,) = tiles_of(trips(2_500))
    leaves, count = tile.leaves, tile.trips
    if change == "fewer leaves":
        leaves = leaves[LEAF_DTYPE.itemsize :]
    elif change == "more trips":
        count += 1
    else:
        broken = bytearray(leaves)
        broken[64:68] = (1_500).to_bytes(4, "little")
        leaves = bytes(broken)
    row, read = TileRow(WEEK, 0, 0, 1, count, True, leaves), decode_leaves([leaves])
    with pytest.raises(ValueError, match="do not fit"):
        empty_index().updated(1, {WEEK: WeekRevision(1, 1)}, [row], read, no_small_segments())


def test_a_chunk_of_the_wrong_size_is_rejected() -> None:
    tiles = {WEEK: tiles_of(trips(100))}
    index = to_index(tiles)
    missing = BoxCount(index, slice(0, 1), BOX, "both").missing_high_bits()
    with pytest.raises(ValueError, match="shorter"):
        missing.locate(index, [chunk[:-2] for chunk in read(missing, index, tiles, "high_bits")])
