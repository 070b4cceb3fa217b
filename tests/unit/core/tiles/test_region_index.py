"""The index of a region's tiles: what it takes of the machine, what it keeps, and what it refuses."""

import gc
import tracemalloc
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from shifts_core.tiles.box import Box
from shifts_core.tiles.box_count import BoxCount
from shifts_core.tiles.build import Tile, build_tiles
from shifts_core.tiles.byte_ranges import codes_missing
from shifts_core.tiles.decode import read_leaves
from shifts_core.tiles.region_index import RegionTileIndex, TileRow, empty_index
from shifts_core.tiles.split import TILE_TRIPS
from tests.unit.core.tiles.counting import answer, count_one_by_one, read, to_index

BOX = Box(7.64, 45.04, 7.66, 45.06)
WEEK = date(2018, 5, 28)


def trips(count: int, seed: int = 1) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.round(np.random.default_rng(seed).normal([7.65, 45.05] * 2, 0.02, (count, 4)), 6)


def many_weeks(count: int) -> dict[date, list[Tile]]:
    """Weeks of 50 trips each."""
    tiles = list(build_tiles(trips(50)))
    return {date(1970, 1, 5) + timedelta(weeks=number): tiles for number in range(count)}


def load_all(index: RegionTileIndex, tiles: dict[date, list[Tile]]) -> None:
    """Reads all codes, as reading ahead does."""
    leaves = np.arange(len(index.leaves.trips))
    for part in codes_missing(index, leaves, index.addresses == 0).parts(2**20, 250):
        pieces = read(part, index, tiles, "codes")
        index.store(part.located(index, pieces), index.tiles.pairs[part.tiles].tolist(), pieces)


def mappings() -> int:
    return len(Path("/proc/self/maps").read_text().splitlines())


def test_the_number_of_memory_mappings_does_not_grow_with_the_pairs() -> None:
    tiles = many_weeks(5_000)
    before = mappings()
    index = to_index(tiles)
    load_all(index, tiles)
    assert (index.addresses != 0).all()
    assert mappings() - before < 100


def test_no_piece_is_so_large_that_the_system_maps_it_by_itself() -> None:
    tiles = {WEEK: list(build_tiles(trips(2 * TILE_TRIPS + 5)))}
    index = to_index(tiles)
    leaves = np.arange(len(index.leaves.trips))
    missing = codes_missing(index, leaves, index.addresses == 0)
    assert len(missing.sizes) == 4 * 2 + 1
    assert missing.sizes.max() + 64 < 128 * 1024


def test_the_memory_that_is_counted_is_the_memory_that_is_taken() -> None:
    tiles = many_weeks(5_000)
    gc.collect()
    tracemalloc.start()
    try:
        index = to_index(tiles)
        load_all(index, tiles)
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    counted = index.own_bytes + index.held_bytes
    assert 0.9 * taken < counted < 1.3 * taken


def test_a_count_keeps_its_codes_when_the_index_forgets_them() -> None:
    ends = trips(20_000)
    tiles = {WEEK: list(build_tiles(ends.copy()))}
    index = to_index(tiles)
    load_all(index, tiles)
    box_count = BoxCount(index, slice(0, 1), BOX, "both")
    held = index.held_bytes
    assert index.evict(0) == held
    assert index.held_bytes == 0
    assert not index.addresses.any()
    # What is freed would be used again.
    _ = [bytes(piece_size) for piece_size in range(1000, 100_000, 1000)]
    box_count.count()
    rests = box_count.rests()
    if rests is not None:
        box_count.resolve(read(rests, index, tiles, "rests"))
    assert box_count.counts.tolist() == [count_one_by_one(ends, BOX, "both")]
    assert len(BoxCount(index, slice(0, 1), BOX, "both").missing().sizes) > 0


def test_pairs_in_the_same_version_keep_their_codes_and_others_are_read_anew() -> None:
    weeks = [WEEK + timedelta(weeks=number) for number in range(4)]
    ends = {week: trips(3_000, seed=number) for number, week in enumerate(weeks)}
    tiles = {week: list(build_tiles(of_week.copy())) for week, of_week in ends.items()}
    before = to_index({week: tiles[week] for week in (weeks[0], weeks[1], weeks[3])})
    load_all(before, tiles)
    # The second is another one, the third is new, the fourth is gone.
    ends[weeks[1]] = trips(2_000, seed=9)
    tiles[weeks[1]] = list(build_tiles(ends[weeks[1]].copy()))
    versions = {weeks[0]: 1, weeks[1]: 2, weeks[2]: 1}
    assert before.unknown(versions) == [weeks[1], weeks[2]]
    rows = [
        TileRow(week, number, tile.trips, tile.leaves)
        for week in weeks[1:3]
        for number, tile in enumerate(tiles[week])
    ]
    after = before.updated(2, versions, rows, read_leaves([row.leaves for row in rows]))
    assert after.weeks.tolist() == weeks[:3]
    assert after.held.astype(bool).tolist() == [True, False, False]
    assert after.held_bytes == before.held[0]
    counts = answer(after, tiles, BOX, "any")
    assert counts.tolist() == [count_one_by_one(ends[week], BOX, "any") for week in weeks[:3]]


def test_a_pair_whose_tiles_were_taken_away_counts_nothing() -> None:
    tiles = {WEEK: list(build_tiles(trips(100))), WEEK + timedelta(weeks=1): []}
    assert answer(to_index(tiles), tiles, Box(-180, -90, 180, 90), "both").tolist() == [100, 0]


@pytest.mark.parametrize("change", ["fewer leaves", "more trips", "too many trips in a leaf"])
def test_tiles_whose_bounds_do_not_fit_are_refused(change: str) -> None:
    (tile,) = build_tiles(trips(2_500))
    leaves, count = tile.leaves, tile.trips
    if change == "fewer leaves":
        leaves = leaves[72:]
    elif change == "more trips":
        count += 1
    else:
        broken = bytearray(leaves)
        broken[64:68] = (1_500).to_bytes(4, "little")
        leaves = bytes(broken)
    with pytest.raises(ValueError, match="do not fit"):
        empty_index().updated(1, {WEEK: 1}, [TileRow(WEEK, 0, count, leaves)], read_leaves([leaves]))


def test_a_piece_that_is_shorter_than_its_bounds_say_is_refused() -> None:
    tiles = {WEEK: list(build_tiles(trips(100)))}
    index = to_index(tiles)
    missing = BoxCount(index, slice(0, 1), BOX, "both").missing()
    with pytest.raises(ValueError, match="shorter"):
        missing.located(index, [piece[:-2] for piece in read(missing, index, tiles, "codes")])
