"""What people would call similar is in one group, and what they would not never is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shifts_core.clustering.clusters import Similarity, find_groups
from tests.unit.core.clustering.scenarios import DAY_S, HOUR_S, TURIN, a_town, groups_with, on_the_map

ROUTE = np.array([-2_000.0, 500, 1_500, -800])
SWAPPED = ROUTE[[2, 3, 0, 1]]
SEEDS = st.integers(0, 2**32)


def commuters(route: NDArray[np.float64], hours: list[float], seed: int = 1) -> tuple[NDArray, NDArray]:  # type: ignore[type-arg]
    """A trip at each of the hours, its ends some 50 m around the route's: metres and times of day."""
    rng = np.random.default_rng(seed)
    return route + rng.normal(0, 50, (len(hours), 4)), np.array(hours) * HOUR_S % DAY_S


def members_of(*parts: tuple[NDArray[np.float64], NDArray[np.float64]]) -> NDArray[np.int64]:
    metres, times = (np.concatenate(part) for part in zip(*parts, strict=True))
    return find_groups(on_the_map(metres), times, Similarity()).members


def test_commuters_at_two_minutes_before_eight_and_three_past_are_in_one_group() -> None:
    members = members_of(commuters(ROUTE, [7 + 58 / 60] * 3 + [8 + 3 / 60] * 3))
    assert groups_with(members, range(6)) == {0}


@pytest.mark.parametrize("around", [0.0, 0.5, 8.0, 8.5, 12.0, 23.75, 24.0])
def test_no_hour_of_the_day_has_an_edge(around: float) -> None:
    hours = [around + minutes / 60 for minutes in (-29, -15, -5, 0, 5, 15, 29)]
    assert groups_with(members_of(commuters(ROUTE, hours)), range(7)) == {0}


def test_a_group_across_midnight_begins_before_it_and_ends_behind_it() -> None:
    metres, times = commuters(ROUTE, [23.75, 23.8, 23.95, 0.1, 0.2])
    groups = find_groups(on_the_map(metres), times, Similarity())
    assert groups.sizes.tolist() == [5]
    assert groups.earliest_s / HOUR_S == pytest.approx([23.75])
    assert groups.typical_s / HOUR_S == pytest.approx([23.95])
    assert groups.latest_s / HOUR_S == pytest.approx([0.2])


def test_the_way_back_is_another_group() -> None:
    there, back = commuters(ROUTE, [8.0] * 10), commuters(SWAPPED, [8.0] * 10)
    members = members_of(there, back)
    assert groups_with(members, range(10)) | groups_with(members, range(10, 20)) == {0, 1}
    assert not groups_with(members, range(10)) & groups_with(members, range(10, 20))


def test_the_same_route_at_another_hour_is_another_group() -> None:
    members = members_of(commuters(ROUTE, [8.0] * 10), commuters(ROUTE, [9.25] * 10))
    assert groups_with(members, range(10)) | groups_with(members, range(10, 20)) == {0, 1}
    assert not groups_with(members, range(10)) & groups_with(members, range(10, 20))


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_no_trip_is_ever_in_a_group_with_its_own_way_back_or_itself_at_another_hour(seed: int) -> None:
    metres, times = a_town(seed, 300)
    far = np.hypot(metres[:, 0] - metres[:, 2], metres[:, 1] - metres[:, 3]) > 1_100
    metres, times = metres[far], times[far]
    back = metres[:, [2, 3, 0, 1]]
    members = members_of((metres, times), (back, times), (metres, (times + HOUR_S + 1) % DAY_S)).reshape(
        3, -1
    )
    for others in members[1:]:
        assert not ((members[0] == others) & (others >= 0)).any()


def test_trips_from_door_to_door_on_the_spot_are_similar_whichever_end_is_first() -> None:
    around_the_corner = np.array([0.0, 0, 100, 50])
    members = members_of(
        commuters(around_the_corner, [8.0] * 5), commuters(around_the_corner[[2, 3, 0, 1]], [8.0] * 5)
    )
    assert groups_with(members, range(10)) == {0}


def test_trips_that_share_one_end_only_are_not_similar() -> None:
    rng = np.random.default_rng(2)
    fan = np.column_stack([rng.normal(0, 30, (40, 2)), rng.uniform(-9_000, 9_000, (40, 2))])
    assert (members_of((fan, np.full(40, 8 * HOUR_S))) == -1).all()


def test_a_chain_of_places_through_the_city_is_not_one_group() -> None:
    chain = np.linspace(0, 8_000, 400)
    metres = np.column_stack([chain, np.zeros(400), chain, np.full(400, 5_000.0)])
    groups = find_groups(on_the_map(metres), np.full(400, 8 * HOUR_S), Similarity())
    assert len(groups.sizes) >= 8
    assert groups.sizes.sum() >= 380
    assert groups.radii_m.max() <= 500


def test_the_trips_of_two_stations_are_one_group_of_no_extent() -> None:
    rng = np.random.default_rng(3)
    stations = rng.uniform(-4_000, 4_000, (4, 2))
    pairs = np.array(
        [np.concatenate([stations[a], stations[b]]) for a in range(4) for b in range(4) if a != b]
    )
    of_pair = np.repeat(np.arange(12), 250)
    times = 8 * HOUR_S + rng.uniform(0, 1_800, 3_000)
    groups = find_groups(on_the_map(pairs[of_pair]), times, Similarity())
    assert groups.sizes.tolist() == [250] * 12
    assert all(
        len(groups_with(groups.members, np.flatnonzero(of_pair == pair).tolist())) == 1 for pair in range(12)
    )
    assert groups.radii_m.max() < 0.001


@pytest.mark.parametrize(
    "place", [TURIN, (180.0, -16.8), (-180.0, 65.0), (15.63, 78.22), (20.0, -89.0), (0.0, 0.0)]
)
def test_commuters_are_found_at_any_place_on_earth(place: tuple[float, float]) -> None:
    metres, times = commuters(ROUTE, [8.0] * 20)
    alone = np.random.default_rng(5).uniform(-9_000, 9_000, (20, 4))
    ends = on_the_map(np.concatenate([metres, alone]), place)
    groups = find_groups(ends, np.concatenate([times, times]), Similarity())
    assert groups.sizes.tolist() == [20]
    assert groups_with(groups.members, range(20)) == {0}
    assert (np.abs(groups.centroids) <= [180, 90, 180, 90]).all()
    assert 0 < groups.radii_m[0] < 250
