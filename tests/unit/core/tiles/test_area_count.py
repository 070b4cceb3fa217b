"""Counts of areas equal counts of points tested one by one; those are compared with PostGIS elsewhere."""

from datetime import date, timedelta
from typing import get_args

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shifts_core.polygons import Area
from shifts_core.tiles.area_count import AreaCount
from shifts_core.tiles.area_grid import AreaGrid, grid_of
from shifts_core.tiles.box import Match
from shifts_core.tiles.build import build_tiles
from shifts_core.tiles.codec import Tile, decode_leaves
from shifts_core.tiles.format import LEAF_TRIPS
from shifts_core.tiles.point_in_polygon import edges_of, point_in_area
from shifts_core.tiles.region_index import RegionTileIndex, WeekRevision, empty_index
from shifts_core.tiles.small_segments import SmallSegments
from shifts_core.time_filter import TimeFilter
from tests.unit.core.tiles.counting import read, to_index
from tests.unit.core.tiles.random_areas import matches_areas, random_area
from tests.unit.core.tiles.random_trips import KINDS, random_trips
from tests.unit.core.tiles.test_times import random_minutes
from tests.unit.core.time_filters import matches_time, time_filters

WEEKS = [date(2018, 5, 28), date(2018, 6, 4)]
MATCHES: tuple[Match, ...] = get_args(Match)


def in_area(area: Area, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points lie in an area, one by one."""
    edges = edges_of([area])
    return np.array([point_in_area(*edges, 0, lon, lat) for lon, lat in points.tolist()], bool)


def count(
    index: RegionTileIndex,
    tiles: dict[date, list[Tile]],
    grid: AreaGrid,
    match: Match,
    times: TimeFilter | None,
    *,
    by_hour: bool = False,
) -> AreaCount:
    """A complete count, read as the API reads."""
    ranges = None if times is None else times.minute_ranges()
    area_count = AreaCount(index, slice(0, len(index.weeks)), grid, match, ranges, by_hour=by_hour)
    missing = area_count.missing_high_bits()
    chunks = read(missing, index, tiles, "high_bits")
    area_count.load(missing.locate(index, chunks), chunks)
    for part in range(2):
        area_count.count(part, 2)
    low = area_count.missing_low_bits()
    if low is not None:
        area_count.resolve(read(low, index, tiles, "low_bits"))
    return area_count


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32), st.integers(1, 3 * LEAF_TRIPS), st.sampled_from(KINDS), st.none() | time_filters()
)
def test_any_area_of_any_trips_is_counted_exactly(
    seed: int, trips: int, kind: str, times: TimeFilter | None
) -> None:
    rng = np.random.default_rng(seed)
    ends, minutes = random_trips(rng, trips, kind), random_minutes(rng, trips)
    second = rng.random(trips) < 0.3
    parts = {WEEKS[0]: ~second, WEEKS[1]: second}
    tiles = {week: list(build_tiles(ends[of], minutes[of])) for week, of in parts.items()}
    index = to_index(tiles)
    in_time = np.ones(trips, bool) if times is None else matches_time(minutes, times)
    points = ends.reshape(-1, 2)
    for _ in range(3):
        area = random_area(rng, points)
        grid = grid_of([area])
        origin, destination = in_area(area, ends[:, :2]), in_area(area, ends[:, 2:])
        for match in MATCHES:
            chosen = matches_areas(origin, destination, match) & in_time
            wanted = [int((chosen & of).sum()) for of in parts.values()]
            found = count(index, tiles, grid, match, times).counts
            assert found[:, 0].tolist() == wanted, (shapely.to_wkt(area, -1), match)
            profile = count(index, tiles, grid, match, times, by_hour=True).counts
            for number, of in enumerate(parts.values()):
                hours = np.bincount(minutes[chosen & of] // 60, minlength=168)
                assert profile[number].tolist() == hours.tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6), st.sampled_from(KINDS))
def test_trips_between_areas_count_for_each_pair_of_areas_of_their_ends(
    seed: int, n_areas: int, kind: str
) -> None:
    rng = np.random.default_rng(seed)
    ends, minutes = random_trips(rng, 2 * LEAF_TRIPS + 7, kind), random_minutes(rng, 2 * LEAF_TRIPS + 7)
    tiles = {WEEKS[0]: list(build_tiles(ends.copy(), minutes.copy()))}
    areas = [random_area(rng, ends.reshape(-1, 2)) for _ in range(n_areas)]
    origin = np.array([in_area(area, ends[:, :2]) for area in areas]).astype(int)
    destination = np.array([in_area(area, ends[:, 2:]) for area in areas]).astype(int)
    found = count(to_index(tiles), tiles, grid_of(areas), "both", None).pairs
    assert found[0, 0, :-1, :-1].tolist() == (origin @ destination.T).tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(KINDS), st.sampled_from(MATCHES), time_filters())
def test_small_segments_are_counted(seed: int, kind: str, match: Match, times: TimeFilter) -> None:
    rng = np.random.default_rng(seed)
    ends, minutes = random_trips(rng, 100, kind), random_minutes(rng, 100).astype(np.int64)
    week_of, signs = rng.integers(0, 2, 100), np.where(rng.random(100) < 0.2, -1, 1)
    small = SmallSegments(week_of, signs, minutes, ends)
    revisions = {week: WeekRevision(1, 0) for week in WEEKS}
    index = empty_index().updated(1, revisions, [], decode_leaves([]), small)
    area = random_area(rng, ends.reshape(-1, 2))
    chosen = matches_areas(in_area(area, ends[:, :2]), in_area(area, ends[:, 2:]), match)
    chosen &= matches_time(minutes.astype(np.uint16), times)
    found = count(index, {}, grid_of([area]), match, times).counts
    assert found[:, 0].tolist() == np.bincount(week_of[chosen], signs[chosen], 2).astype(int).tolist()


def test_areas_of_ten_thousand_vertices_are_counted_exactly() -> None:
    rng = np.random.default_rng(1)
    ends, minutes = random_trips(rng, 3_000, "decimals"), random_minutes(rng, 3_000)
    tiles = {WEEKS[0]: list(build_tiles(ends.copy(), minutes.copy()))}
    angles = np.linspace(0, 2 * np.pi, 9_999, endpoint=False)
    reach = 0.1 * (1 + 0.3 * np.sin(400 * angles))
    centre = ends[:, :2].mean(axis=0)
    area = shapely.Polygon(centre + np.stack([np.cos(angles), np.sin(angles)], axis=1) * reach[:, None])
    wanted = int(in_area(area, ends[:, :2]).sum())
    assert 300 < wanted < 2_900
    found = count(to_index(tiles), tiles, grid_of([area]), "origin", None).counts
    assert found.tolist() == [[wanted]]
    assert WEEKS[1] - WEEKS[0] == timedelta(weeks=1)
