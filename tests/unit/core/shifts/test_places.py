"""Meeting places: stops, and how far riders walk."""

import numpy as np
import pytest
from numpy.typing import NDArray

from shifts_core.shifts.coverage import Coverage
from shifts_core.shifts.places import NO_STOP, measure_walking, move_to_stops, stops_at
from shifts_core.shifts.trip_index import covered_trips, index_trips
from tests.unit.core.clustering.scenarios import TURIN, great_circle_m, random_town, to_degrees

DAY = np.array([[0.0, 86_399.0]])


def test_walking_is_measured_from_each_trip_to_its_shift() -> None:
    metres, times_s = random_town(3, trips=200)
    coords = to_degrees(metres)
    places = coords[[0, 50, 100]]
    served = covered_trips(index_trips(coords, times_s, 900.0), places, np.repeat(DAY, 3, axis=0), 900.0)
    walking = measure_walking(places, served, coords)
    for shift in range(3):
        own = coords[served.trips[served.starts[shift] : served.starts[shift + 1]]]
        place = np.repeat(places[shift : shift + 1], len(own), axis=0)
        for end in (0, 1):
            walks_m = great_circle_m(place[:, 2 * end : 2 * end + 2], own[:, 2 * end : 2 * end + 2])
            np.testing.assert_allclose(walking.mean_m[shift, end], walks_m.mean(), atol=1e-3)
            np.testing.assert_allclose(walking.largest_m[shift, end], walks_m.max(), atol=1e-3)


def test_shifts_without_trips_have_no_walks() -> None:
    nobody = Coverage(np.zeros(3, np.int64), np.empty(0, np.int64))
    walking = measure_walking(np.zeros((2, 4)), nobody, np.empty((0, 4)))
    assert not walking.mean_m.any()
    assert not walking.largest_m.any()


def at_ends(metres: list[list[float]]) -> NDArray[np.float64]:
    """Return stops at metres east and north, shape (s, 2)."""
    return to_degrees(np.tile(np.array(metres), 2))[:, :2]


def test_the_stop_with_the_shortest_walks_is_taken_if_all_serve_the_same_trips() -> None:
    trips = to_degrees(np.array([[0.0, 0, 5_000, 0]] * 5 + [[100.0, 0, 5_000, 0]] * 3))
    stops = at_ends([[-100, 0], [60, 0], [300, 0], [4_700, 0], [5_000, 200], [2_000, 0]])
    index = index_trips(trips, np.full(8, 100.0), 500.0)
    places = move_to_stops(index, trips[:1], DAY, stops, 500.0)
    assert stops_at(places, stops).tolist() == [[1, 4]]


def test_a_stop_that_serves_more_trips_is_worth_longer_walks() -> None:
    trips = to_degrees(np.array([[0.0, 0, 5_000, 0]] * 5 + [[700.0, 0, 5_000, 0]] * 4))
    stops = at_ends([[0, 0], [250, 0], [5_000, 0]])
    index = index_trips(trips, np.full(9, 100.0), 500.0)
    places = move_to_stops(index, trips[:1], DAY, stops, 500.0)
    assert stops_at(places, stops).tolist() == [[1, 2]]


def test_a_place_without_a_stop_within_the_radius_stays() -> None:
    trips = to_degrees(np.array([[0.0, 0, 5_000, 0]] * 5))
    stops = at_ends([[100, 0], [5_600, 0]])
    index = index_trips(trips, np.full(5, 100.0), 500.0)
    places = move_to_stops(index, trips[:1], DAY, stops, 500.0)
    assert stops_at(places, stops).tolist() == [[0, NO_STOP]]
    assert places[0, 2:].tolist() == trips[0, 2:].tolist()


def count_at(place: NDArray[np.float64], coords: NDArray[np.float64], radius_m: float) -> float:
    """How much trips count at two places, from all of them."""
    places = np.repeat(place[None], len(coords), axis=0)
    pickup_m = great_circle_m(places[:, :2], coords[:, :2])
    dropoff_m = great_circle_m(places[:, 2:], coords[:, 2:])
    served = (pickup_m <= radius_m) & (dropoff_m <= radius_m)
    return float((2 - (pickup_m + dropoff_m)[served] / (2 * radius_m)).sum())


@pytest.mark.parametrize("seed", range(30))
def test_no_other_stop_within_the_radius_is_better_for_either_end(seed: int) -> None:
    rng = np.random.default_rng(seed)
    centre = (179.99, -16.5) if seed % 3 == 0 else TURIN
    metres, times_s = random_town(seed, trips=300)
    coords = to_degrees(metres, centre)
    stops = to_degrees(np.tile(rng.uniform(-4_000, 4_000, (200, 2)), 2), centre)[:, :2]
    before = coords[rng.integers(0, 300, 20)]
    index = index_trips(coords, times_s, 600.0)
    moved = move_to_stops(index, before, np.repeat(DAY, 20, axis=0), stops, 600.0)
    shuffled = move_to_stops(index, before, np.repeat(DAY, 20, axis=0), rng.permutation(stops), 600.0)
    assert shuffled.tobytes() == moved.tobytes()
    for place, old, rows in zip(moved, before, stops_at(moved, stops), strict=True):
        best = count_at(place, coords, 600.0)
        for end in (0, 1):
            ends = slice(2 * end, 2 * end + 2)
            near = stops[great_circle_m(np.repeat(old[None, ends], len(stops), axis=0), stops) <= 600.0]
            assert (rows[end] == NO_STOP) == (len(near) == 0)
            if len(near) == 0:
                assert place[ends].tolist() == old[ends].tolist()
                continue
            assert place[ends].tolist() in near.tolist()
            for stop in near:
                other = place.copy()
                other[ends] = stop
                assert count_at(other, coords, 600.0) <= best + 1e-6


def test_of_stops_at_the_same_place_the_first_is_named() -> None:
    places = np.array([[7.0, 45.0, 8.0, 46.0]])
    stops = np.array([[8.0, 46.0], [7.0, 45.0], [7.0, 45.0]])
    assert stops_at(places, stops).tolist() == [[1, 0]]
    assert stops_at(places, stops[:0]).tolist() == [[NO_STOP, NO_STOP]]
