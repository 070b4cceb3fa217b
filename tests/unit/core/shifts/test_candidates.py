"""Candidates: whole minutes, points of trips, and the same shifts when the day is searched in parts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shifts_core.clustering.projection import to_plane
from shifts_core.shifts.candidates import find_candidates, places_and_windows
from shifts_core.shifts.climb import climb, reach_of
from shifts_core.shifts.history import TripHistory
from shifts_core.shifts.trip_index import covered_trips, index_trips
from tests.unit.core.shifts.scenarios import Commute, random_commutes, town

REACH = reach_of(497.5, 60)


def points_of(history: TripHistory) -> NDArray[np.float64]:
    return np.column_stack([to_plane(history.od_coords), history.times_s])


def served(points: NDArray[np.float64], shift: NDArray[np.float64]) -> int:
    near = np.hypot(*(points[:, :2] - shift[:2]).T) <= REACH.radius_m
    near &= np.hypot(*(points[:, 2:4] - shift[2:4]).T) <= REACH.radius_m
    return int((near & (shift[4] <= points[:, 4]) & (points[:, 4] <= shift[4] + REACH.window_s)).sum())


@pytest.mark.parametrize("most_trips", [2_000_000, 15_000, 100])
def test_standing_commutes_are_found_whether_the_day_is_searched_at_once_or_in_parts(
    most_trips: int,
) -> None:
    commutes = random_commutes(21, 80, 4)
    history = town(commutes, 40_000, 4)
    points = points_of(history)
    found = find_candidates(index_trips(history.od_coords, history.times_s, 500.0), REACH, 6, most_trips)
    assert (found.starts_s % 60 == 0).all()
    assert found.starts_s.min() >= 0
    assert found.starts_s.max() <= 23 * 3_600
    shifts = np.column_stack([points[found.pickups, :2], points[found.dropoffs, 2:4], found.starts_s])
    sizes = sorted((served(points, shift) for shift in shifts), reverse=True)
    rides = sorted((4 * len(own.weekdays) * own.riders for own in commutes), reverse=True)
    whole = sum(size >= 0.95 * most for size, most in zip(sizes, rides, strict=False))
    # A window that a border cuts may be found twice, once by each part.
    assert whole >= 0.95 * len(commutes)
    assert len(shifts) <= (1.1 if most_trips == 2_000_000 else 1.4) * len(commutes)


def test_a_climb_serves_more_trips_than_its_seed() -> None:
    points = points_of(town([Commute((0, 0, 4_000, 0), 480, (0, 1, 2), 20, range(4))], 0, 4))
    everything = np.arange(len(points))
    shift = np.append(np.median(points[:, :4], axis=0), 8 * 3_600.0)
    shift[:4] += 400, -300, 250, 250
    before = served(points, shift)
    climb(points, everything, shift, 0.0, 23 * 3_600.0, REACH, np.empty((len(points), 3)))
    assert before < 0.7 * len(points)
    assert served(points, shift) == len(points)


def test_fewer_trips_than_the_minimum_are_no_candidate() -> None:
    history = town([Commute((0, 0, 4_000, 0), 480, (0,), 5, range(1))], 0, 1)
    assert len(find_candidates(index_trips(history.od_coords, history.times_s, 500.0), REACH, 6).pickups) == 0
    assert len(find_candidates(index_trips(history.od_coords, history.times_s, 500.0), REACH, 5).pickups) == 1


def test_samples_of_many_trips_find_the_same_dense_places() -> None:
    commutes = random_commutes(22, 60, 4)
    history = town(commutes, 40_000, 4)
    index = index_trips(history.od_coords, history.times_s, 500.0)
    rides = []
    for most_sampled in (1_000_000, 12_000):
        found = find_candidates(index, REACH, 6, most_sampled=most_sampled)
        places, windows_s = places_and_windows(index, found, REACH.window_s)
        sizes = np.diff(covered_trips(index, places, windows_s, REACH.radius_m).starts)
        rides.append(np.sort(sizes)[::-1][: len(commutes)])
    everything, sampled = rides
    assert sampled.sum() >= 0.97 * everything.sum()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_a_sample_depends_on_content_only(seed: int) -> None:
    rng = np.random.default_rng(seed)
    coords, times_s = rng.normal([7.6, 45.0, 7.7, 45.1], 0.01, (2_000, 4)), rng.uniform(0, 86_400, 2_000)
    shuffled = rng.permutation(2_000)
    found = []
    for rows in (slice(None), shuffled):
        history, _ = TripHistory.of(coords[rows], times_s[rows], np.zeros(2_000, np.int64))
        index = index_trips(history.od_coords, history.times_s, 500.0)
        made = find_candidates(index, REACH, 4, most_sampled=300)
        found.append(np.column_stack(places_and_windows(index, made, REACH.window_s)).tolist())
    assert found[0] == found[1]
