"""Shifts that break a guarantee are found, whatever is wrong with them, and sound ones are not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifts_core.shifts.guarantees import CheckedShifts, CheckedTrips, CountedTrips, find_violations

MAX_RADIUS_M = 500.0
HOUR_S = 3_600.0
NONE: list[int] = []


def random_shifts(rng: np.random.Generator) -> tuple[CheckedTrips, CheckedShifts, CountedTrips]:
    """Sound shifts of two regions, and trips that none of them counts."""
    k = int(rng.integers(1, 8))
    in_first = int(rng.integers(0, k + 1))
    regions = np.repeat([1, 2], [in_first, k - in_first])
    ranks = np.concatenate([np.arange(1, in_first + 1), np.arange(1, k - in_first + 1)])
    places = rng.uniform(40, 41, (k, 4))
    earliest = rng.uniform(0, 22 * HOUR_S, k)
    runs_on = np.zeros((k, 7), np.bool_)
    runs_on[np.arange(k), rng.integers(0, 7, k)] = True
    shift = np.repeat(np.arange(k), rng.integers(1, 6, k))
    n, alone = len(shift), int(rng.integers(0, 4))
    ids = rng.choice(1_000, n + alone, replace=False)
    shuffled = rng.permutation(n + alone)
    trips = CheckedTrips(
        np.concatenate([regions[shift], rng.integers(1, 3, alone)])[shuffled],
        ids[shuffled],
        np.concatenate([earliest[shift] + rng.uniform(0, HOUR_S, n), rng.uniform(0, HOUR_S, alone)])[
            shuffled
        ],
        np.concatenate([runs_on.argmax(axis=1)[shift], rng.integers(0, 7, alone)])[shuffled].astype(np.int8),
        np.vstack([places[shift] + rng.uniform(-2e-3, 2e-3, (n, 4)), rng.uniform(40, 41, (alone, 4))])[
            shuffled
        ],
    )
    order = rng.permutation(n)
    rows = CheckedShifts(regions, ranks, earliest, earliest + HOUR_S, runs_on, places)
    return trips, rows, CountedTrips(shift[order], ids[:n][order])


@given(seed=st.integers(0, 2**32), at=st.integers(0, 1_000))
@pytest.mark.parametrize(
    "what", ["nothing", "place", "early", "late", "weekday", "region", "missing", "twice", "other", "rank"]
)
def test_exactly_the_shifts_that_were_tampered_with_are_found(what: str, seed: int, at: int) -> None:
    trips, rows, counted = random_shifts(np.random.default_rng(seed))
    member = at % len(counted.ids)
    shift = int(counted.shifts[member])
    trip = int(np.flatnonzero(trips.ids == counted.ids[member])[0])
    misfits, double = NONE, NONE
    if what in ("twice", "other"):
        last = len(rows.ranks) - 1
        other = shift if what == "twice" else last
        counted = CountedTrips(np.append(counted.shifts, other), np.append(counted.ids, counted.ids[member]))
        double = sorted({shift, other})
        misfits = NONE if other == shift else [last]
    elif what == "rank":
        rows.ranks[shift:] += rows.regions[shift:] == rows.regions[shift]
        double = [shift]
    elif what != "nothing":
        misfits = [shift]
        if what == "place":
            trips.ends[trip, at % 4] += 0.02
        elif what in ("early", "late"):
            trips.times_s[trip] = (
                rows.earliest_s[shift] - 1e-6 if what == "early" else rows.latest_s[shift] + 1e-6
            )
        elif what == "weekday":
            trips.weekdays[trip] = (trips.weekdays[trip] + 1) % 7
        elif what == "region":
            trips.regions[trip] = 3
        else:
            trips.ids[trip] = 2_000
    found = find_violations(trips, rows, counted, MAX_RADIUS_M)
    assert np.flatnonzero(found.misfits).tolist() == misfits
    assert np.flatnonzero(found.double).tolist() == double


def test_no_trips_at_all_are_found_as_missing() -> None:
    nothing = CheckedTrips(
        np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int8), np.zeros((0, 4))
    )
    rows = CheckedShifts(
        np.array([1]), np.array([1]), np.zeros(1), np.ones(1), np.ones((1, 7), np.bool_), np.zeros((1, 4))
    )
    found = find_violations(nothing, rows, CountedTrips(np.array([0]), np.array([5])), MAX_RADIUS_M)
    assert (found.misfits.tolist(), found.double.tolist()) == ([True], [False])
