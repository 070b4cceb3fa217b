"""Which stale pairs are refreshed now, and in how few runs."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shifts_pipeline.sensors.refresh_plan import (
    FIRST_PAUSE,
    LOADS_MAY_DELAY,
    LONGEST_PAUSE,
    PAIRS_A_RUN,
    FinishedRun,
    Rectangle,
    StalePair,
    due,
    is_paused,
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


def ended(seconds_ago: float, *, failed: bool, region: int = 0) -> FinishedRun:
    area = Rectangle(region, region, week(0), week(4))
    return FinishedRun(area, NOW - timedelta(seconds=seconds_ago), failed)


def test_a_pair_whose_run_failed_rests_twice_as_long_each_time_and_never_for_ever() -> None:
    pause = FIRST_PAUSE.total_seconds()
    failures = [ended(pause + 1 + n, failed=True) for n in range(20)]
    assert not is_paused(0, week(1), failures[:1], NOW)
    assert is_paused(0, week(1), failures[:2], NOW)
    long_ago = [ended(LONGEST_PAUSE.total_seconds() + 1 + n, failed=True) for n in range(20)]
    assert not is_paused(0, week(1), long_ago, NOW)


def test_a_success_and_failures_elsewhere_make_no_pause() -> None:
    failed = ended(0, failed=True)
    assert is_paused(0, week(0), [failed], NOW)
    assert not is_paused(0, week(0), [ended(0, failed=False), failed], NOW)
    assert not is_paused(1, week(0), [failed], NOW)
    assert not is_paused(0, week(5), [failed], NOW)
