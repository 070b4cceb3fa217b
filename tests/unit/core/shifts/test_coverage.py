"""Which trips a shift serves, against distances between all pairs."""

import numpy as np
import pytest

from shifts_core.shifts.coverage import on_weekdays
from shifts_core.shifts.trip_index import covered_trips, index_trips
from tests.unit.core.clustering.scenarios import TURIN, great_circle_m, random_town, to_degrees


@pytest.mark.parametrize("centre", [TURIN, (179.999, -16.5), (-180.0, 66.0), (10.0, 89.9), (0.0, 0.0)])
@pytest.mark.parametrize("seed", range(4))
def test_a_shift_serves_exactly_the_trips_within_radius_and_window(
    centre: tuple[float, float], seed: int
) -> None:
    metres, times_s = random_town(seed, trips=500)
    coords = to_degrees(metres, centre)
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, len(coords), 60)
    places = np.column_stack([coords[chosen, :2], coords[rng.permutation(chosen), 2:]])
    places[:40] = coords[chosen[:40]]
    starts_s = np.clip(times_s[chosen] - rng.uniform(0, 3_600, 60), 0, 86_399)
    windows_s = np.column_stack([starts_s, np.minimum(starts_s + rng.choice([0, 600, 3_600], 60), 86_399)])
    covered = covered_trips(index_trips(coords, times_s, 400.0), places, windows_s, 400.0)
    for shift, (place, (earliest, latest)) in enumerate(zip(places, windows_s, strict=True)):
        repeated = np.repeat(place[None], len(coords), axis=0)
        expected = (times_s >= earliest) & (times_s <= latest)
        expected &= great_circle_m(repeated[:, :2], coords[:, :2]) <= 400.0
        expected &= great_circle_m(repeated[:, 2:], coords[:, 2:]) <= 400.0
        assert (
            covered.trips[covered.starts[shift] : covered.starts[shift + 1]].tolist()
            == np.flatnonzero(expected).tolist()
        )
    assert covered.starts[-1] > 100


def test_limits_of_radius_and_window_are_included() -> None:
    north = np.degrees(500.0 / 6_371_008.7714)
    coords = np.array([[7.0, 45.0, 8.0, 45.0], [7.0, 45.0 + 0.999999 * north, 8.0, 45.0]])
    coords = np.vstack([coords, [[7.0, 45.0 + 1.000001 * north, 8.0, 45.0]]])
    times_s = np.array([3_600.0, 7_200.0, 5_000.0])
    covered = covered_trips(
        index_trips(coords, times_s, 500.0), coords[:1], np.array([[3_600.0, 7_200.0]]), 500.0
    )
    assert covered.trips.tolist() == [0, 1]


def test_weekdays_limit_what_a_shift_serves() -> None:
    coords, times_s = np.tile([7.0, 45.0, 8.0, 45.0], (14, 1)), np.full(14, 3_600.0)
    covered = covered_trips(
        index_trips(coords, times_s, 500.0), coords[:2], np.array([[3_600.0, 3_600.0], [0.0, 3_600.0]]), 500.0
    )
    runs_on = np.zeros((2, 7), np.bool_)
    runs_on[0, [1, 3]] = runs_on[1, 6] = True
    served = on_weekdays(covered, np.arange(14) % 7, runs_on)
    assert served.starts.tolist() == [0, 4, 6]
    assert served.trips.tolist() == [1, 3, 8, 10, 6, 13]


def test_no_trips_serve_no_shift() -> None:
    index = index_trips(np.empty((0, 4)), np.empty(0), 500.0)
    covered = covered_trips(index, np.array([[7.0, 45.0, 8.0, 45.0]]), np.array([[0.0, 3_600.0]]), 500.0)
    assert covered.starts.tolist() == [0, 0]
