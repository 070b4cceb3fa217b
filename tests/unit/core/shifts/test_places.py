"""Meeting places: stops, and how far riders walk."""

import numpy as np

from shifts_core.shifts.coverage import Coverage, covered_trips, index_trips
from shifts_core.shifts.places import measure_walking, move_to_stops
from tests.unit.core.clustering.scenarios import great_circle_m, random_town, to_degrees

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


def test_the_stop_that_serves_the_most_trips_is_taken_and_then_the_nearest() -> None:
    trips = to_degrees(np.array([[0.0, 0, 5_000, 0]] * 5 + [[700.0, 0, 5_000, 0]] * 3))
    stops = to_degrees(
        np.array(
            [[-100.0, 0, 5_050, 0], [250.0, 0, 5_300, 0], [300.0, 0, 9_000, 0], [2_000.0, 0, 5_000, 100]]
        )
    )
    stops = np.concatenate([stops[:, :2], stops[:, 2:]])
    index = index_trips(trips, np.full(8, 100.0), 500.0)
    places, found = move_to_stops(index, trips[:1], DAY, stops, 500.0)
    assert found.tolist() == [True]
    np.testing.assert_allclose(places, to_degrees(np.array([[250.0, 0, 5_050, 0]])), atol=1e-7)


def test_a_place_without_a_stop_within_the_radius_is_reported() -> None:
    trips = to_degrees(np.array([[0.0, 0, 5_000, 0]] * 5))
    stops = to_degrees(np.array([[100.0, 0, 5_600, 0]]))
    index = index_trips(trips, np.full(5, 100.0), 500.0)
    _, found = move_to_stops(index, trips[:1], DAY, np.concatenate([stops[:, :2], stops[:, 2:]]), 500.0)
    assert found.tolist() == [False]
