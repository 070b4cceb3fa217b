"""Shifts made of trips: what each one promises, and that standing commutes are found."""

import numpy as np
import pytest

from shifts_core.shifts.history import TripHistory
from shifts_core.shifts.making import make_shifts
from shifts_core.shifts.parameters import ShiftParameters
from tests.unit.core.clustering.scenarios import TURIN, great_circle_m, to_degrees
from tests.unit.core.shifts.scenarios import FIRST_WEEK, Commute, is_served, random_commutes, town

LAST_WEEK = FIRST_WEEK + 3


@pytest.mark.parametrize("centre", [TURIN, (179.999, -16.5), (25.0, 66.0)])
@pytest.mark.parametrize("parameters", [ShiftParameters(), ShiftParameters(250.0, 25, 4)])
def test_every_trip_counted_is_within_radius_window_and_weekdays(
    centre: tuple[float, float], parameters: ShiftParameters
) -> None:
    history = town(random_commutes(1, 40, 4), 20_000, 4, centre=centre)
    made = make_shifts(history, LAST_WEEK, 4, parameters)
    shifts = made.shifts
    assert len(shifts) >= 30
    spans_s = shifts.windows_s[:, 1] - shifts.windows_s[:, 0]
    assert (spans_s >= 0).all()
    assert (spans_s <= 60 * parameters.window_minutes).all()
    assert (shifts.runs_on.sum(axis=1) >= 1).all()
    assert (shifts.departs_s >= shifts.windows_s[:, 0]).all()
    assert (shifts.departs_s <= shifts.windows_s[:, 1]).all()
    for shift in range(len(shifts)):
        own = made.assigned == shift
        assert own.sum() == shifts.trips[shift] > 0
        assert is_served(history, shifts, shift, 0.9951 * parameters.max_radius_m)[own].all()


def test_ranks_are_greedy_and_a_trip_counts_for_its_best_shift() -> None:
    history = town(random_commutes(2, 60, 4), 60_000, 4)
    made = make_shifts(history, LAST_WEEK, 4, ShiftParameters())
    rest = np.ones(len(history), np.bool_)
    served = [is_served(history, made.shifts, shift, 497.5) for shift in range(len(made.shifts))]
    for shift, own in enumerate(served):
        gains = [int((later & rest).sum()) for later in served[shift:]]
        assert gains[0] == max(gains) == made.shifts.trips[shift]
        assert np.array_equal(made.assigned == shift, own & rest)
        rest &= ~own
    assert (made.assigned[rest] == -1).all()


def test_commutes_are_found_with_their_weekdays_and_windows_and_nothing_else_is() -> None:
    commutes = random_commutes(3, 100, 4)
    history = town(commutes, 50_000, 4)
    shifts = make_shifts(history, LAST_WEEK, 4, ShiftParameters()).shifts
    found = []
    for commute in commutes:
        ends = to_degrees(np.repeat([commute.metres], len(shifts), axis=0))
        near = great_circle_m(ends[:, :2], shifts.places[:, :2]) <= 500
        near &= great_circle_m(ends[:, 2:], shifts.places[:, 2:]) <= 500
        near &= (shifts.windows_s[:, 0] <= 60 * commute.minute - 540) & (
            60 * commute.minute + 540 <= shifts.windows_s[:, 1]
        )
        near &= (shifts.runs_on == np.isin(np.arange(7), commute.weekdays)).all(axis=1)
        found += np.flatnonzero(near).tolist()[:1]
    assert len(set(found)) >= 97
    assert len(shifts) <= 103


def test_riders_regularity_and_weeks_describe_the_departures_of_the_history() -> None:
    commute = Commute((0, 0, 5_000, 0), 8 * 60, (0, 1), 12, range(1, 4))
    others = random_commutes(4, 30, 4)
    shifts = make_shifts(town([commute, *others], 5_000, 4), LAST_WEEK, 4, ShiftParameters()).shifts
    near = np.abs(shifts.places - to_degrees(np.array([commute.metres]))).max(axis=1) < 0.003
    (own,) = np.flatnonzero(near)
    assert shifts.riders[own] == pytest.approx(12, abs=0.6)
    assert 5 <= shifts.riders_low[own] < 12 < shifts.riders_high[own] <= 20
    assert shifts.regularity[own] == 1.0
    assert shifts.weeks[own] == 3
    assert shifts.first_week[own] == FIRST_WEEK + 1
    assert shifts.last_riders[own] == 24
    assert abs(shifts.departs_s[own] - 8 * 3_600) < 300


def test_the_order_of_the_trips_does_not_matter() -> None:
    history = town(random_commutes(5, 40, 4), 20_000, 4)
    expected = make_shifts(history, LAST_WEEK, 4, ShiftParameters()).shifts
    shuffled = np.random.default_rng(0).permutation(len(history))
    again, order = TripHistory.of(
        history.od_coords[shuffled], history.times_s[shuffled], history.days[shuffled]
    )
    assert np.array_equal(history.od_coords[shuffled[order]], again.od_coords)
    assert np.array_equal(history.od_coords, again.od_coords)
    assert len(np.unique(np.column_stack([history.days, history.times_s]), axis=0)) < len(history)
    for name, values in vars(make_shifts(again, LAST_WEEK, 4, ShiftParameters()).shifts).items():
        assert values.tobytes() == getattr(expected, name).tobytes(), name


def test_windows_do_not_cross_midnight() -> None:
    commutes = [
        Commute((0, 0, 5_000, 0), 23 * 60 + 55, tuple(range(7)), 10, range(4)),
        Commute((0, 5_000, 5_000, 5_000), 3, tuple(range(7)), 10, range(4)),
    ]
    shifts = make_shifts(town(commutes, 100, 4), LAST_WEEK, 4, ShiftParameters()).shifts
    assert len(shifts) >= 2
    assert (shifts.windows_s[:, 0] < shifts.windows_s[:, 1]).all()
    assert shifts.windows_s.max() == 86_399
    assert shifts.windows_s.min() == 0


def test_no_trips_make_no_shifts() -> None:
    history, _ = TripHistory.of(np.empty((0, 4)), np.empty(0), np.empty(0, np.int64))
    made = make_shifts(history, LAST_WEEK, 4, ShiftParameters())
    assert len(made.shifts) == 0
    assert len(made.assigned) == 0


def test_trips_of_other_weeks_are_refused() -> None:
    history = town(random_commutes(6, 3, 4), 100, 4)
    with pytest.raises(ValueError, match="before its first or after its last week"):
        make_shifts(history, LAST_WEEK - 1, 3, ShiftParameters())


@pytest.mark.parametrize(
    "values", [(0.0, 60, 3), (500.0, 0, 3), (500.0, 721, 3), (500.0, 60, 0), (np.inf, 60, 3)]
)
def test_parameters_out_of_range_are_refused(values: tuple[float, int, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        ShiftParameters(*values)


def test_shifts_stop_at_given_stops_where_there_are_any_within_the_radius() -> None:
    commutes = random_commutes(7, 40, 4)
    history = town(commutes, 10_000, 4)
    rng = np.random.default_rng(7)
    ends = np.array([commute.metres for commute in commutes[:30]]).reshape(-1, 2)
    near = to_degrees(np.tile(ends + rng.uniform(-150, 150, ends.shape), 2))[:, :2]
    far = to_degrees(rng.uniform(40_000, 50_000, (50, 4)))[:, :2]
    stops = np.concatenate([near, far])
    made = make_shifts(history, LAST_WEEK, 4, ShiftParameters(), stops)
    assert len(made.shifts) >= 36
    allowed = set(map(tuple, stops.tolist()))
    points = set(map(tuple, history.od_coords.reshape(-1, 2).tolist()))
    at_stops = 0
    for shift, place in enumerate(made.shifts.places.tolist()):
        of_shift = {tuple(place[:2]), tuple(place[2:])}
        at_stops += of_shift <= allowed
        # Ten commutes have no stop at one end or both.
        assert of_shift <= allowed | points
        assert is_served(history, made.shifts, shift, 500)[made.assigned == shift].all()
    shuffled = make_shifts(history, LAST_WEEK, 4, ShiftParameters(), rng.permutation(stops)).shifts
    assert shuffled.places.tobytes() == made.shifts.places.tobytes()
    assert at_stops >= 28
    without = make_shifts(history, LAST_WEEK, 4, ShiftParameters()).shifts
    for unused in (far, stops[:0]):
        found = make_shifts(history, LAST_WEEK, 4, ShiftParameters(), unused).shifts
        assert found.places.tobytes() == without.places.tobytes()


def test_places_are_points_of_trips_with_short_walks() -> None:
    history = town(random_commutes(9, 40, 4), 0, 4)
    made = make_shifts(history, LAST_WEEK, 4, ShiftParameters())
    for shift, place in enumerate(made.shifts.places):
        own = history.od_coords[made.assigned == shift]
        for end in (0, 2):
            assert (history.od_coords[:, end : end + 2] == place[end : end + 2]).all(axis=1).any()
            walked = great_circle_m(
                np.repeat(place[None, end : end + 2], len(own), axis=0), own[:, end : end + 2]
            )
            fewest = min(
                great_circle_m(
                    np.repeat(point[None, end : end + 2], len(own), axis=0), own[:, end : end + 2]
                ).sum()
                for point in own
            )
            assert walked.sum() <= 1.05 * fewest


def test_a_shift_that_stopped_is_made_for_one_more_week() -> None:
    commutes = [
        Commute((1_000 * number, 0, 1_000 * number, 7_000), 8 * 60, (0, 1, 2), 12, range(weeks))
        for number, weeks in ((0, 2), (3, 3), (6, 4))
    ]
    shifts = make_shifts(town(commutes, 1_000, 4), LAST_WEEK, 4, ShiftParameters()).shifts
    assert sorted(shifts.last_riders.tolist()) == [0, 36]


def test_a_commute_that_begins_on_one_weekday_of_the_last_week_is_found() -> None:
    begins = Commute((0, 0, 7_000, 0), 8 * 60, (2,), 5, range(3, 4))
    history = town([begins, *random_commutes(13, 30, 4)], 10_000, 4)
    shifts = make_shifts(history, LAST_WEEK, 4, ShiftParameters()).shifts
    near = np.abs(shifts.places - to_degrees(np.array([begins.metres]))).max(axis=1) < 0.004
    assert shifts.runs_on[near].tolist() == [[False, False, True, False, False, False, False]]
    assert shifts.first_week[near] == LAST_WEEK


def test_no_shift_runs_on_a_weekday_of_which_the_history_has_no_trips() -> None:
    commute = Commute((0, 0, 5_000, 0), 8 * 60, (0, 1, 2, 3, 4), 12, range(4))
    shifts = make_shifts(town([commute], 0, 4), LAST_WEEK, 4, ShiftParameters()).shifts
    assert shifts.runs_on.tolist() == [[True] * 5 + [False] * 2]
