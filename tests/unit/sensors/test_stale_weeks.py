"""Which stale pairs are refreshed now, and in how few runs."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shifts_pipeline.sensors.stale_weeks import (
    LOADS_MAY_DELAY,
    PAIRS_A_RUN,
    Rectangle,
    StalePair,
    due,
    rectangles,
)

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
MONDAY = date(2018, 4, 30)


def week(number: int) -> date:
    return MONDAY + timedelta(weeks=number)


def test_pairs_wait_while_files_are_loaded_but_not_for_ever() -> None:
    young = StalePair("Turin", MONDAY, NOW - timedelta(seconds=5))
    old = StalePair("Turin", week(1), NOW - LOADS_MAY_DELAY - timedelta(seconds=1))
    assert due([young, old], loading=True, now=NOW) == [old]
    assert due([young, old], loading=False, now=NOW) == [young, old]


def test_three_regions_over_five_weeks_are_one_run_even_with_gaps() -> None:
    pairs = {(region, week(w)) for region in range(3) for w in range(5)} - {(1, week(2)), (0, week(0))}
    assert list(rectangles(pairs)) == [Rectangle(0, 2, week(0), week(4))]


def test_two_pairs_a_decade_apart_are_two_runs() -> None:
    assert len(list(rectangles({(0, week(0)), (1, week(520))}))) == 2


@given(st.sets(st.tuples(st.integers(0, 12), st.integers(0, 400).map(week)), max_size=60))
def test_every_stale_pair_is_in_exactly_one_run_and_runs_stay_small(pairs: set[tuple[int, date]]) -> None:
    areas = list(rectangles(pairs))
    for pair in pairs:
        assert sum(area.covers(*pair) for area in areas) == 1
    assert all(area.pairs <= PAIRS_A_RUN for area in areas)
