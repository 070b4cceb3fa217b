"""Ids of shifts over many makings: one to one, lasting, and independent of the order of loading."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shifts_core.calendar import monday_of_week
from shifts_core.ids import monday_of_id
from shifts_core.shifts.making import Shifts, make_shifts
from shifts_core.shifts.matching import (
    CONTINUING,
    ENDING,
    NEW,
    EarlierShifts,
    NamedShifts,
    is_ending,
    name_shifts,
)
from shifts_core.shifts.parameters import ShiftParameters
from tests.unit.core.clustering.scenarios import to_degrees
from tests.unit.core.shifts.scenarios import FIRST_WEEK, Commute, random_commutes, town

RADIUS_M = 500.0


def shifts_at(
    metres: list[tuple[float, float, float, float]],
    minutes: list[int],
    weekdays: list[tuple[int, ...]] | None = None,
    span: int = 60,
) -> Shifts:
    count = len(metres)
    starts_s = 60.0 * np.array(minutes)
    days = weekdays or [(0, 1, 2, 3, 4)] * count
    ones = np.ones(count, np.int64)
    return Shifts(
        places=to_degrees(np.array(metres, np.float64).reshape(-1, 4)),
        windows_s=np.column_stack([starts_s, starts_s + 60 * span]),
        departs_s=starts_s,
        runs_on=np.array([[day in own for day in range(7)] for own in days], np.bool_).reshape(-1, 7),
        riders=np.full(count, 10.0),
        riders_low=ones,
        riders_high=ones,
        regularity=np.ones(count),
        weeks=ones,
        first_week=np.full(count, FIRST_WEEK),
        last_riders=np.full(count, 50),
        last_departures=np.full(count, 5),
        trips=ones,
    )


def name_all(makings: dict[int, Shifts], weeks: int = 4) -> dict[int, NamedShifts]:
    """Name makings in the order of their weeks."""
    earlier, named = EarlierShifts.none(), {}
    for week in sorted(makings):
        named[week] = name_shifts("Turin", week, weeks, makings[week], earlier, RADIUS_M)
        earlier = earlier.followed_by(named[week], week)
    return named


def test_a_shift_keeps_its_id_while_it_drifts() -> None:
    drift = {
        FIRST_WEEK + week: shifts_at([(300.0 * week, 0, 5_000, -300.0 * week)], [480 + 10 * week])
        for week in range(10)
    }
    named = name_all(drift)
    assert len({int(week.ids[0]) for week in named.values()}) == 1
    assert [week.status[0] for week in named.values()] == [NEW] + 9 * [CONTINUING]
    assert monday_of_id(int(named[FIRST_WEEK + 9].ids[0])) == monday_of_week(FIRST_WEEK)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (shifts_at([(499, 0, 5_000, 0)], [480]), True),
        (shifts_at([(501, 0, 5_000, 0)], [480]), False),
        (shifts_at([(0, 0, 5_000, 501)], [480]), False),
        (shifts_at([(0, 0, 5_000, 0)], [510]), True),
        (shifts_at([(0, 0, 5_000, 0)], [512]), False),
        (shifts_at([(0, 0, 5_000, 0)], [480], [(3, 4, 5, 6)]), True),
        (shifts_at([(0, 0, 5_000, 0)], [480], [(4, 5, 6)]), False),
        (shifts_at([(0, 0, 5_000, 0)], [500], span=10), True),
        (shifts_at([(5_000, 0, 0, 0)], [480]), False),
    ],
)
def test_places_window_and_weekdays_must_overlap_enough(other: Shifts, same: bool) -> None:
    named = name_all({FIRST_WEEK: shifts_at([(0, 0, 5_000, 0)], [480]), FIRST_WEEK + 1: other})
    assert (named[FIRST_WEEK].ids[0] == named[FIRST_WEEK + 1].ids[0]) == same
    assert named[FIRST_WEEK + 1].status == [CONTINUING if same else NEW]


def test_the_pair_with_the_largest_overlap_is_matched_first() -> None:
    before = shifts_at([(0, 0, 5_000, 0), (400, 0, 5_000, 0)], [480, 480])
    after = shifts_at([(390, 0, 5_000, 0), (10, 0, 5_000, 0), (200, 0, 5_000, 0)], [480, 480, 480])
    named = name_all({FIRST_WEEK: before, FIRST_WEEK + 1: after})
    old, new = named[FIRST_WEEK].ids.tolist(), named[FIRST_WEEK + 1].ids.tolist()
    assert new[:2] == old[::-1]
    assert new[2] not in old


def test_a_shift_that_pauses_gets_its_id_back_within_the_history() -> None:
    shift, other = shifts_at([(0, 0, 5_000, 0)], [480]), shifts_at([(9_000, 0, 5_000, 0)], [480])
    named = name_all({FIRST_WEEK: shift, FIRST_WEEK + 1: other, FIRST_WEEK + 4: shift, FIRST_WEEK + 5: other})
    assert named[FIRST_WEEK].ids[0] == named[FIRST_WEEK + 4].ids[0]
    named = name_all({FIRST_WEEK: shift, FIRST_WEEK + 1: other, FIRST_WEEK + 6: shift})
    assert named[FIRST_WEEK].ids[0] != named[FIRST_WEEK + 6].ids[0]


def test_the_first_week_is_that_of_the_first_making() -> None:
    makings = {
        FIRST_WEEK + week: replace(
            shifts_at([(0, 0, 5_000, 0)], [480]), first_week=np.array([FIRST_WEEK + max(week - 3, 0)])
        )
        for week in range(8)
    }
    assert {int(named.first_week[0]) for named in name_all(makings).values()} == {FIRST_WEEK}


def test_shifts_with_far_fewer_riders_in_the_last_week_end() -> None:
    shifts = shifts_at([(0, 0, 5_000, 0)] * 6, [480] * 6)
    shifts = replace(
        shifts,
        riders=np.array([10.0, 10.0, 10.0, 0.5, 0.5, 2_000.0]),
        last_riders=np.array([50, 34, 33, 0, 1, 9_990]),
        last_departures=np.array([5, 5, 5, 5, 5, 5]),
    )
    assert is_ending(shifts).tolist() == [False, False, True, True, False, False]
    assert not is_ending(
        replace(shifts, last_riders=0 * shifts.trips, last_departures=0 * shifts.trips)
    ).any()
    assert name_shifts("Turin", FIRST_WEEK, 4, shifts, EarlierShifts.none(), RADIUS_M).status[2] == ENDING


@st.composite
def makings(draw: st.DrawFn) -> dict[int, Shifts]:
    """Makings of crowded shifts, so that many pairs overlap and some by the same amount."""
    place = st.sampled_from([0.0, 200.0, 400.0, 700.0])
    metres = st.tuples(place, place, place.map(lambda x: x + 3_000), place)
    weeks = draw(st.lists(st.integers(0, 6), min_size=1, max_size=5, unique=True))
    made = {}
    for week in weeks:
        own = draw(st.lists(st.tuples(metres, st.sampled_from([480, 500, 520])), max_size=6, unique=True))
        made[FIRST_WEEK + week] = shifts_at([row[0] for row in own], [row[1] for row in own])
    return made


@settings(max_examples=200, deadline=None)
@given(makings(), st.randoms(use_true_random=False))
def test_ids_are_unique_in_a_week_and_the_same_however_shifts_and_weeks_came(
    made: dict[int, Shifts], random: Random
) -> None:
    named = name_all(made)
    for week, shifts in named.items():
        assert len(set(shifts.ids.tolist())) == len(shifts.ids)
        assert all(monday_of_id(int(shift)) <= monday_of_week(week) for shift in shifts.ids)
    # Loaded late: a week's making is missing at first, and later weeks are named again once it is there.
    late = random.choice(sorted(made))
    name_all({week: shifts for week, shifts in made.items() if week != late})
    again = name_all(dict(sorted(made.items(), key=lambda _: random.random())))
    for week, shifts in again.items():
        assert shifts.ids.tolist() == named[week].ids.tolist()


def test_generated_commutes_keep_their_ids_over_their_whole_life() -> None:
    weeks, rng = 10, np.random.default_rng(1)
    commutes = [
        replace_weeks(commute, int(rng.integers(0, 6)), int(rng.integers(4, 11)), weeks)
        for commute in random_commutes(8, 60, weeks)
    ]
    history = town(commutes, 40_000, weeks)
    parameters = ShiftParameters()
    named = name_all(
        {
            FIRST_WEEK + week: make_shifts(
                history.between(FIRST_WEEK + week - 3, FIRST_WEEK + week), FIRST_WEEK + week, 4, parameters
            ).shifts
            for week in range(weeks)
        }
    )
    kept = 0
    for commute in commutes:
        place = to_degrees(np.array([commute.metres]))
        ids = []
        for week in commute.weeks:
            near = np.abs(named[FIRST_WEEK + week].shifts.places - place).max(axis=1) < 0.004
            windows_s = named[FIRST_WEEK + week].shifts.windows_s
            near &= (windows_s[:, 0] <= 60 * commute.minute) & (60 * commute.minute <= windows_s[:, 1])
            ids.append(set(named[FIRST_WEEK + week].ids[near].tolist()))
        kept += bool(ids[0]) and all(found == ids[0] for found in ids)
    assert kept >= 0.95 * len(commutes)


def replace_weeks(commute: Commute, first: int, life: int, weeks: int) -> Commute:
    return replace(commute, weeks=range(first, min(first + life, weeks)))
