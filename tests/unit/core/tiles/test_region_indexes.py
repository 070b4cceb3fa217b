"""The memory budget of all regions: totals, and what is evicted first."""

from datetime import date, timedelta

import numpy as np
import pytest

from shifts_core.tiles import byte_ranges
from shifts_core.tiles.byte_ranges import READ_AHEAD_BYTES, read_ahead_ranges
from shifts_core.tiles.codec import Tile
from shifts_core.tiles.region_index import RegionTileIndex
from shifts_core.tiles.region_indexes import RegionIndexes
from tests.unit.core.tiles.counting import load_all, read, to_index
from tests.unit.core.tiles.random_trips import tiles_of

WEEKS = [date(2018, 5, 7) + timedelta(weeks=number) for number in range(3)]


def pair(trips: int) -> list[Tile]:
    return tiles_of(np.round(np.random.default_rng(trips).normal(7.6, 0.02, (trips, 4)), 6))


TILES = dict.fromkeys(WEEKS, pair(2_000))


def loaded_index(used_at: float) -> RegionTileIndex:
    """An index with all high bits in memory; its weeks were used one second after another."""
    index = to_index(TILES)
    load_all(index, TILES)
    index.last_used[:] = used_at + np.arange(len(WEEKS))
    return index


def filled(max_bytes: int, regions: int = 2) -> RegionIndexes:
    """Indexes of some regions, of which the first was used first."""
    indexes = RegionIndexes(max_bytes)
    for region_id in range(regions):
        indexes.put(region_id, loaded_index(100.0 * region_id))
    return indexes


def size_of(indexes: RegionIndexes, regions: int = 2) -> int:
    found = [indexes.get(region_id) for region_id in range(regions)]
    return sum(index.bounds_bytes + index.high_bits_bytes for index in found if index is not None)


ALL = filled(10**9).memory_bytes


def test_totals_follow_every_change() -> None:
    indexes = filled(10**9)
    assert indexes.memory_bytes == size_of(indexes)
    assert indexes.weeks_loaded == 2 * len(WEEKS)
    indexes.put(0, loaded_index(0.0))
    assert indexes.memory_bytes == size_of(indexes) == ALL
    indexes.put(1, to_index(TILES))
    index = indexes.get(1)
    assert index is not None
    for ranges in read_ahead_ranges(index):
        chunks = read(ranges, index, TILES, "high_bits")
        indexes.store(1, ranges.locate(index, chunks), index.tiles.week_of[ranges.tiles].tolist(), chunks)
    assert indexes.memory_bytes == size_of(indexes)
    indexes.drop(0)
    assert indexes.memory_bytes == size_of(indexes)
    indexes.clear()
    assert (indexes.memory_bytes, indexes.bounds_bytes, indexes.weeks_loaded) == (0, 0, 0)


def test_nothing_is_evicted_within_the_budget() -> None:
    indexes = filled(ALL)
    indexes.evict()
    assert indexes.memory_bytes == ALL


def test_the_weeks_that_were_used_least_recently_are_evicted_first() -> None:
    indexes = filled(ALL - 1)
    indexes.evict()
    old, new = indexes.get(0), indexes.get(1)
    assert old is not None
    assert new is not None
    assert old.week_bytes.astype(bool).tolist() == [False, True, True]
    assert new.week_bytes.all()
    assert indexes.memory_bytes == size_of(indexes) <= 0.9 * ALL


def test_bounds_above_half_of_the_budget_evict_the_region_that_was_used_least_recently() -> None:
    bounds = filled(10**9).bounds_bytes
    indexes = filled(int(1.5 * bounds))
    indexes.evict()
    assert indexes.get(0) is None
    assert indexes.get(1) is not None
    assert indexes.memory_bytes == size_of(indexes) <= int(1.5 * bounds)


@pytest.mark.parametrize("budget", [0, 1, 1_000])
def test_a_budget_smaller_than_any_region_keeps_nothing(budget: int) -> None:
    indexes = filled(budget)
    indexes.evict()
    assert indexes.memory_bytes == 0


def test_there_is_room_below_nine_tenths_of_the_budget() -> None:
    indexes = RegionIndexes(1_000)
    assert indexes.has_room(900)
    assert not indexes.has_room(901)


def test_high_bits_are_read_ahead_once_each_from_the_newest_week_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byte_ranges, "_READ_AHEAD_LEAVES", 20)
    tiles = {week: pair(20_000 + number) for number, week in enumerate(WEEKS)}
    index = to_index(tiles)
    weeks: list[int] = []
    for ranges in read_ahead_ranges(index):
        assert ranges.sizes.sum() < 2 * READ_AHEAD_BYTES
        chunks = read(ranges, index, tiles, "high_bits")
        weeks += index.tiles.week_of[ranges.tiles].tolist()
        index.store(ranges.locate(index, chunks), index.tiles.week_of[ranges.tiles].tolist(), chunks)
    assert list(dict.fromkeys(weeks)) == [2, 1, 0]
    assert (index.addresses != 0).all()
    assert list(read_ahead_ranges(index)) == []
