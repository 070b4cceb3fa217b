"""Candidates: whole minutes, points of trips, and the same shifts when the day is searched in parts."""

import numpy as np
import pytest
from numpy.typing import NDArray

from shifts_core.clustering.projection import to_plane
from shifts_core.shifts.candidates import find_candidates
from shifts_core.shifts.climb import climb, reach_of
from shifts_core.shifts.history import TripHistory
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
    found = find_candidates(history.od_coords, history.times_s, REACH, 6, most_trips)
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
    assert len(find_candidates(history.od_coords, history.times_s, REACH, 6).pickups) == 0
    assert len(find_candidates(history.od_coords, history.times_s, REACH, 5).pickups) == 1
