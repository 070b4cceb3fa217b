"""Counts over several segments of a week: added, subtracted, small, and arriving one after the other."""

from datetime import date, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from shifts_core.tiles.bounds import TileRow
from shifts_core.tiles.box import Box, Match
from shifts_core.tiles.box_count import BoxCount
from shifts_core.tiles.byte_ranges import ByteRanges
from shifts_core.tiles.codec import Tile, decode_leaves
from shifts_core.tiles.encode import encode_tile
from shifts_core.tiles.region_index import (
    RegionTileIndex,
    WeekRevision,
    empty_index,
    no_small_segments,
)
from shifts_core.tiles.segment_builder import SegmentBuilder
from shifts_core.tiles.small_segments import concatenate, decode_small_segments
from tests.unit.core.tiles.counting import count_one_by_one, tile_rows
from tests.unit.core.tiles.random_trips import KINDS, any_minutes, random_trips, tiles_of

WEEK = date(2018, 5, 28)
Segments = dict[int, list[Tile]]


def count(index: RegionTileIndex, segments: Segments, box: Box, match: Match) -> list[int]:
    """Matching trips of each week; reads from `segments` what is not in memory."""

    def read(ranges: ByteRanges, column: str) -> list[bytes]:
        return [
            bytes(bytearray(getattr(segments[segment][tile], column))[start : start + size])
            for _, segment, tile, start, size in zip(*ranges.parameters(index), strict=True)
        ]

    box_count = BoxCount(index, slice(0, len(index.weeks)), box, match)
    missing = box_count.missing_high_bits()
    chunks = read(missing, "high_bits")
    columns = missing.locate(index, chunks)
    index.store(columns, index.tiles.week_of[missing.tiles].tolist(), chunks)
    box_count.load(columns, chunks)
    box_count.count()
    low = box_count.missing_low_bits()
    if low is not None:
        box_count.resolve(read(low, "low_bits"))
    counts: list[int] = box_count.counts[:, 0].tolist()
    return counts


def boxes(ends: NDArray[np.float64], rng: np.random.Generator) -> list[Box]:
    """Boxes whose sides run through trips."""
    found = []
    for _ in range(10):
        (x0, y0), (x1, y1) = ends[rng.integers(0, len(ends), 2)][:, :2]
        found.append(Box(float(x0), min(float(y0), float(y1)), float(x1), max(float(y0), float(y1))))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_segments_are_added_and_subtracted_exactly(kind: str) -> None:
    rng = np.random.default_rng(3)
    ends = random_trips(rng, 9_000, kind)
    added = [ends[:6_000], ends[6_000:]]
    deleted = ends[rng.permutation(9_000)[:3_000]]
    kept = np.concatenate([ends, deleted])
    segments = {number: tiles_of(each) for number, each in enumerate([*added, deleted])}
    # One after the other, as loads bring them.
    index = empty_index()
    for number, tiles in segments.items():
        revisions = {WEEK: WeekRevision(number + 1, 1)}
        assert index.outdated(revisions) == {WEEK: number}
        rows = tile_rows(WEEK, tiles, number, -1 if number == 2 else 1)
        leaves = decode_leaves([row.leaves for row in rows])
        index = index.updated(number, revisions, rows, leaves, no_small_segments())
        # The high bits of earlier segments stay in memory.
        held = index.high_bits_bytes
        count(index, segments, boxes(ends, rng)[0], "any")
        assert index.high_bits_bytes >= held
    for box in boxes(kept, rng):
        for match in ("both", "origin", "destination", "any"):
            wanted = count_one_by_one(ends, box, match) - count_one_by_one(deleted, box, match)
            assert count(index, segments, box, match) == [wanted]


@pytest.mark.parametrize("kind", KINDS)
def test_small_segments_are_decoded_to_the_last_bit_and_counted(kind: str) -> None:
    rng = np.random.default_rng(4)
    parts = [random_trips(rng, trips, kind) for trips in (1, 128, 2, 50, 7)]
    tiles = [encode_tile(part, any_minutes(part)) for part in parts]
    week_of, signs = np.array([0, 1, 0, 1, 1]), np.array([1, 1, 1, -1, 1])
    blobs = [[getattr(tile, name) for tile in tiles] for name in ("leaves", "high_bits", "low_bits")]
    small = decode_small_segments(week_of, signs, *blobs)
    assert np.array_equal(small.ends, np.concatenate(parts) + 0.0)
    for box in boxes(small.ends, rng):
        for match in ("both", "origin", "destination", "any"):
            counted = [count_one_by_one(part, box, match) for part in parts]
            wanted = [counted[0] + counted[2], counted[1] - counted[3] + counted[4]]
            assert small.count_weeks(slice(0, 2), box, match).tolist() == wanted
            assert small.count_weeks(slice(1, 2), box, match).tolist() == wanted[1:]


def test_a_merge_replaces_all_segments_of_its_week_and_no_other() -> None:
    rng = np.random.default_rng(5)
    (tile,) = tiles_of(random_trips(rng, 100, "decimals"))
    blobs = [tile.leaves], [tile.high_bits], [tile.low_bits]
    weeks = [WEEK, WEEK + timedelta(weeks=1)]
    one = np.array([1])
    both = concatenate([decode_small_segments(one - 1, one, *blobs), decode_small_segments(one, one, *blobs)])
    none = decode_leaves([])
    before = empty_index().updated(1, dict.fromkeys(weeks, WeekRevision(1, 0)), [], none, both)
    merged = {weeks[0]: WeekRevision(2, 2), weeks[1]: WeekRevision(1, 0)}
    assert before.outdated(merged) == {weeks[0]: 0}
    rows = [TileRow(weeks[0], 9, 0, 1, tile.trips, True, tile.leaves)]
    after = before.updated(2, merged, rows, decode_leaves([tile.leaves]), no_small_segments())
    assert after.tiles.segments.tolist() == [9]
    assert after.small.week_of.tolist() == [1] * 100
    # A request whose snapshot is older than the memory reads all of the week.
    assert after.outdated({weeks[0]: WeekRevision(1, 0), weeks[1]: WeekRevision(1, 0)}) == {weeks[0]: 0}


def test_a_builder_holds_each_trip_in_the_segment_of_its_pair() -> None:
    rng = np.random.default_rng(6)
    builder = SegmentBuilder()
    for _ in range(3):
        for region_id in (1, 2):
            ends = random_trips(rng, 500 * region_id, "decimals")
            builder.add(region_id, WEEK, ends, any_minutes(ends))
    built = builder.build()
    assert [(each.region_id, each.week, each.trips) for each in built] == [(1, WEEK, 1500), (2, WEEK, 3000)]
    assert [sum(tile.trips for tile in each.tiles) for each in built] == [1500, 3000]
    assert builder.build() == []
