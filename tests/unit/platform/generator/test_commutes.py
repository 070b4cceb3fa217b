"""Standing commutes: how they persist, and how many of them shifts find again."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from shifts_core.calendar import week_number
from shifts_core.clustering.projection import haversine_m
from shifts_core.shifts.history import TripHistory
from shifts_core.shifts.making import Shifts, make_shifts
from shifts_core.shifts.matching import EarlierShifts, name_shifts
from shifts_core.shifts.parameters import ShiftParameters
from shifts_platform.generator.city import DEFAULT_CITIES, City
from shifts_platform.generator.commutes import Commutes, truth_lines
from shifts_platform.generator.csv_file import csv_blocks
from shifts_platform.generator.trips import DEFAULT_FIRST_WEEK, NO_FLOW, generate_trips, plan_commutes

WEEKS, STANDING, CHURN, HISTORY = 10, 200, 0.2, 4
CITY = City("Linz", 14.286, 48.306, reach_m=9_000, weight=1)
FIRST_WEEK = week_number(DEFAULT_FIRST_WEEK)


def test_the_same_seed_gives_the_same_bytes_and_truth() -> None:
    def written(seed: int) -> tuple[bytes, str]:
        commutes = plan_commutes(20_000, seed=seed, commutes=40, churn=CHURN)
        blocks = csv_blocks(20_000, seed=seed, commutes=commutes)
        truth = truth_lines(commutes, DEFAULT_CITIES, DEFAULT_FIRST_WEEK)
        return b"".join(block for _, block in blocks), "".join(truth)

    assert written(1) == written(1)
    assert written(1) != written(2)


def test_the_truth_names_every_trip_of_a_commute() -> None:
    commutes = plan_commutes(20_000, seed=3, commutes=40, churn=CHURN)
    lines = list(truth_lines(commutes, DEFAULT_CITIES, DEFAULT_FIRST_WEEK))[1:]
    told = {(int(line.split(",")[0]), line.split(",")[2]): int(line.split(",")[5]) for line in lines}
    chunks = list(generate_trips(20_000, seed=3, commutes=commutes))
    flows = np.concatenate([chunk.flow for chunk in chunks])
    moments = np.concatenate([chunk.moments for chunk in chunks])
    counted: dict[tuple[int, str], int] = {}
    for flow, moment in zip(flows.tolist(), moments.tolist(), strict=True):
        if flow != NO_FLOW:
            key = flow, f"{moment:%G-W%V}"
            counted[key] = counted.get(key, 0) + 1
    assert told == counted
    assert sum(told.values()) == 10_000


def test_as_many_commutes_end_each_week_as_begin() -> None:
    commutes = plan_commutes(50_000, seed=4, commutes=100, churn=CHURN, weeks=WEEKS, cities=(CITY,))
    assert len(commutes.weekdays) == 100 + (WEEKS - 1) * 20
    # Some pause in a week; nobody stands before it begins or after it ended.
    standing = (commutes.runs.any(axis=2)).sum(axis=0)
    assert (standing > 85).all()
    assert (standing <= 100).all()


def test_cities_without_room_refuse_more_commutes() -> None:
    with pytest.raises(ValueError, match="Linz has room for"):
        plan_commutes(1_000, seed=1, commutes=5_000, churn=0, cities=(CITY,))


@dataclass
class _Found:
    standing: int = 0
    found: int = 0
    shifts: int = 0
    unexplained: int = 0


def test_shifts_find_standing_commutes_and_keep_their_ids() -> None:
    trips = 150_000
    commutes = plan_commutes(trips, seed=2, commutes=STANDING, churn=CHURN, weeks=WEEKS, cities=(CITY,))
    history = _history(trips, 2, commutes)
    parameters, earlier = ShiftParameters(), EarlierShifts.none()
    total, ids = _Found(), dict[int, set[int]]()
    for week in range(WEEKS):
        number, first = FIRST_WEEK + week, max(0, week - HISTORY + 1)
        made = make_shifts(history.between(FIRST_WEEK + first, number), number, HISTORY, parameters)
        named = name_shifts(CITY.name, number, HISTORY, made.shifts, earlier, parameters.max_radius_m)
        earlier = earlier.followed_by(named, number)
        fits = _fits(made.shifts, commutes, week, parameters.max_radius_m)
        right: NDArray[np.bool_] = np.array(
            fits & (made.shifts.runs_on[:, None] == commutes.weekdays[None]).all(axis=2)
        )
        stood: NDArray[np.bool_] = np.asarray(commutes.runs.any(axis=2))
        total.shifts += len(made.shifts)
        recent = stood[:, first : week + 1].any(axis=1)
        total.unexplained += int((~fits[:, recent].any(axis=1)).sum())
        for commute in np.flatnonzero(stood[:, week]).tolist():
            total.standing += 1
            total.found += bool(right[:, commute].any())
            if fits[:, commute].any():
                ids.setdefault(commute, set()).add(int(named.ids[fits[:, commute].argmax()]))
    assert total.standing > WEEKS * STANDING * 0.9
    assert total.found >= 0.95 * total.standing
    assert total.unexplained <= 0.02 * total.shifts
    assert len(ids) >= 0.95 * len(commutes.weekdays)
    assert sum(len(each) == 1 for each in ids.values()) >= 0.95 * len(ids)


def _history(trips: int, seed: int, commutes: Commutes) -> TripHistory:
    chunks = list(generate_trips(trips, seed=seed, weeks=WEEKS, cities=(CITY,), commutes=commutes))
    moments = np.concatenate([chunk.moments for chunk in chunks])
    seconds = (moments - np.datetime64(DEFAULT_FIRST_WEEK, "s")).astype(np.int64)
    days = 7 * FIRST_WEEK + seconds // 86_400
    return TripHistory.of(
        np.concatenate([chunk.od_coords for chunk in chunks]), (seconds % 86_400).astype(np.float64), days
    )[0]


def _fits(shifts: Shifts, commutes: Commutes, week: int, radius_m: float) -> NDArray[np.bool_]:
    """Whether each shift has places near each commute, and its time in the window; shape (shifts, commutes)."""
    planted, departs = commutes.flows.od_coords / 1e6, commutes.departures[:, week]
    found: NDArray[np.bool_] = (shifts.windows_s[:, 0, None] <= departs) & (
        departs <= shifts.windows_s[:, 1, None]
    )
    for end in (0, 2):
        lon, lat = shifts.places[:, end, None], shifts.places[:, end + 1, None]
        found &= haversine_m(lon, lat, planted[None, :, end], planted[None, :, end + 1]) <= radius_m
    return found
