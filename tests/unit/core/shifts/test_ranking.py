"""Greedy maximum coverage, against a greedy search that counts all gains at every step."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shifts_core.shifts.coverage import Coverage
from shifts_core.shifts.ranking import NO_SHIFT, assign_trips, rank_by_gain

TRIPS = 30
served = st.lists(st.sets(st.integers(0, TRIPS - 1), max_size=12), max_size=14)


def as_coverage(sets: list[set[int]]) -> Coverage:
    starts = np.concatenate([[0], np.cumsum([len(own) for own in sets])]).astype(np.int64)
    return Coverage(starts, np.array([trip for own in sets for trip in sorted(own)], np.int32))


@settings(deadline=None)
@given(served)
def test_lazy_ranks_are_those_of_the_plain_greedy_search(sets: list[set[int]]) -> None:
    shifts, gains = rank_by_gain(as_coverage(sets), TRIPS)
    seen: set[int] = set()
    expected = []
    while sets:
        best = max(range(len(sets)), key=lambda shift: (len(sets[shift] - seen), -shift))
        gain = len(sets[best] - seen)
        if gain == 0:
            break
        expected.append((best, gain))
        seen |= sets[best]
    assert list(zip(shifts.tolist(), gains.tolist(), strict=True)) == expected


@settings(deadline=None)
@given(served, st.integers(1, 4))
def test_the_first_shifts_cover_at_least_63_percent_of_what_as_many_can(
    sets: list[set[int]], first: int
) -> None:
    _, gains = rank_by_gain(as_coverage(sets), TRIPS)
    most = max(
        (len(set().union(*chosen)) for chosen in itertools.combinations(sets, min(first, len(sets)))),
        default=0,
    )
    assert gains[:first].sum() >= (1 - 1 / np.e) * most


@settings(deadline=None)
@given(served)
def test_a_trip_belongs_to_the_first_shift_that_serves_it(sets: list[set[int]]) -> None:
    assigned = assign_trips(as_coverage(sets), TRIPS)
    for trip in range(TRIPS):
        assert assigned[trip] == next((shift for shift, own in enumerate(sets) if trip in own), NO_SHIFT)


@settings(deadline=None)
@given(served, st.data())
def test_shifts_can_be_taken_in_any_order(sets: list[set[int]], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(sets))))
    taken = as_coverage(sets).take(np.array(order, np.int64))
    expected = as_coverage([sets[shift] for shift in order])
    assert taken.starts.tolist() == expected.starts.tolist()
    assert taken.trips.tolist() == expected.trips.tolist()
