"""Trips that a planner calls similar are in one cluster, and trips that a planner tells apart never are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shifts_core.clustering.clusters import find_clusters
from tests.unit.core.clustering.scenarios import DAY_S, HOUR_S, TURIN, labels_of, random_town, to_degrees

ROUTE = np.array([-2_000.0, 500, 1_500, -800])
RETURN_ROUTE = ROUTE[[2, 3, 0, 1]]
SEEDS = st.integers(0, 2**32)

Trips = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Metres (n, 4) and times of day (n,)."""


def commuters(route: NDArray[np.float64], hours: list[float], seed: int = 1) -> Trips:
    """Return a trip at each of the hours, whose ends are about 50 m from the route's."""
    rng = np.random.default_rng(seed)
    return route + rng.normal(0, 50, (len(hours), 4)), np.array(hours) * HOUR_S % DAY_S


def label(*parts: Trips) -> NDArray[np.int64]:
    metres, times = (np.concatenate(part) for part in zip(*parts, strict=True))
    return find_clusters(to_degrees(metres), times).labels


def test_commuters_two_minutes_before_eight_and_three_after_are_in_one_cluster() -> None:
    labels = label(commuters(ROUTE, [7 + 58 / 60] * 3 + [8 + 3 / 60] * 3))
    assert labels_of(labels, range(6)) == {0}


@pytest.mark.parametrize("centre", [0.0, 0.5, 8.0, 8.5, 12.0, 23.75, 24.0])
def test_no_time_of_day_separates_trips_that_fit_into_the_window(centre: float) -> None:
    hours = [centre + minutes / 60 for minutes in (-29, -15, -5, 0, 5, 15, 29)]
    assert labels_of(label(commuters(ROUTE, hours)), range(7)) == {0}


def test_the_window_of_a_cluster_can_cross_midnight() -> None:
    metres, times = commuters(ROUTE, [23.75, 23.8, 23.95, 0.1, 0.2])
    clusters = find_clusters(to_degrees(metres), times)
    assert clusters.sizes.tolist() == [5]
    assert clusters.earliest_s / HOUR_S == pytest.approx([23.75])
    assert clusters.typical_s / HOUR_S == pytest.approx([23.95])
    assert clusters.latest_s / HOUR_S == pytest.approx([0.2])


@pytest.mark.parametrize(("route", "hour"), [(RETURN_ROUTE, 8.0), (ROUTE, 9.25)])
def test_the_way_back_and_another_hour_are_other_clusters(route: NDArray[np.float64], hour: float) -> None:
    labels = label(commuters(ROUTE, [8.0] * 10), commuters(route, [hour] * 10))
    first, second = labels_of(labels, range(10)), labels_of(labels, range(10, 20))
    assert first | second == {0, 1}
    assert not first & second


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_a_trip_is_never_in_a_cluster_with_its_way_back_or_itself_at_another_hour(seed: int) -> None:
    metres, times = random_town(seed, 300)
    far = np.hypot(metres[:, 0] - metres[:, 2], metres[:, 1] - metres[:, 3]) > 1_100
    metres, times = metres[far], times[far]
    back = metres[:, [2, 3, 0, 1]]
    labels = label((metres, times), (back, times), (metres, (times + HOUR_S + 1) % DAY_S)).reshape(3, -1)
    for others in labels[1:]:
        assert not ((labels[0] == others) & (others >= 0)).any()


def test_trips_shorter_than_the_radius_are_in_one_cluster_in_both_directions() -> None:
    short = np.array([0.0, 0, 100, 50])
    labels = label(commuters(short, [8.0] * 5), commuters(short[[2, 3, 0, 1]], [8.0] * 5))
    assert labels_of(labels, range(10)) == {0}


def test_trips_that_share_only_one_end_are_in_no_cluster() -> None:
    rng = np.random.default_rng(2)
    fan = np.column_stack([rng.normal(0, 30, (40, 2)), rng.uniform(-9_000, 9_000, (40, 2))])
    assert (label((fan, np.full(40, 8 * HOUR_S))) == -1).all()


def test_a_chain_of_neighbours_through_the_city_is_split() -> None:
    chain = np.linspace(0, 8_000, 400)
    metres = np.column_stack([chain, np.zeros(400), chain, np.full(400, 5_000.0)])
    clusters = find_clusters(to_degrees(metres), np.full(400, 8 * HOUR_S))
    assert len(clusters.sizes) >= 8
    assert clusters.sizes.sum() >= 380
    assert clusters.radii_m.max() <= 500


def test_trips_between_two_stations_are_one_cluster_with_radius_zero() -> None:
    rng = np.random.default_rng(3)
    stations = rng.uniform(-4_000, 4_000, (4, 2))
    pairs = np.array(
        [np.concatenate([stations[a], stations[b]]) for a in range(4) for b in range(4) if a != b]
    )
    pair_of_trip = np.repeat(np.arange(12), 250)
    times = 8 * HOUR_S + rng.uniform(0, 1_800, 3_000)
    clusters = find_clusters(to_degrees(pairs[pair_of_trip]), times)
    assert clusters.sizes.tolist() == [250] * 12
    for pair in range(12):
        assert len(labels_of(clusters.labels, np.flatnonzero(pair_of_trip == pair).tolist())) == 1
    assert clusters.radii_m.max() < 0.001


@pytest.mark.parametrize(
    "place", [TURIN, (180.0, -16.8), (-180.0, 65.0), (15.63, 78.22), (20.0, -89.0), (0.0, 0.0)]
)
def test_commuters_are_found_at_any_place_on_earth(place: tuple[float, float]) -> None:
    metres, times = commuters(ROUTE, [8.0] * 20)
    scattered = np.random.default_rng(5).uniform(-9_000, 9_000, (20, 4))
    od_coords = to_degrees(np.concatenate([metres, scattered]), place)
    clusters = find_clusters(od_coords, np.concatenate([times, times]))
    assert clusters.sizes.tolist() == [20]
    assert labels_of(clusters.labels, range(20)) == {0}
    assert (np.abs(clusters.centroids) <= [180, 90, 180, 90]).all()
    assert 0 < clusters.radii_m[0] < 250
