"""Which due weeks are refreshed now, in which order, and in how few runs."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifts_pipeline.sensors.refresh_plan import (
    LOADED_BYTES_PER_S,
    MAX_DELAY_BY_LOADS,
    MAX_FRESH_WEEKS,
    MAX_PAIRS_PER_RUN,
    MAX_TRIPS_PER_RUN,
    MAX_UNFINISHED_RUNS,
    MIN_DELAY_BY_LOADS,
    SHARED_PAIRS,
    SHARED_TRIPS,
    DueWeek,
    FinishedRun,
    Refresh,
    delay_by_loads,
    paused_weeks,
    plan,
    ranges,
)
from shifts_pipeline.storage.stale_pairs import FIRST_PAUSE, LONGEST_PAUSE

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
MONDAY = date(2018, 4, 30)


def week(number: int) -> date:
    return MONDAY + timedelta(weeks=number)


ORDER = [week(number) for number in range(400)]


def refresh(*numbers: int) -> Refresh:
    """A run over all weeks from the first number to the last one."""
    return Refresh(tuple(week(number) for number in range(numbers[0], numbers[-1] + 1)))


def due_week(number: int = 0, pairs: int = 1, trips: int = 1, age_s: float = 1.0) -> DueWeek:
    return DueWeek(week(number), pairs, trips, NOW - timedelta(seconds=age_s))


def ranges_of(*due: DueWeek, covered: tuple[int, ...] = ()) -> list[Refresh]:
    return list(ranges({found.week: found for found in due}, ORDER, {week(number) for number in covered}))


sizes = st.integers(1, 2 * MAX_PAIRS_PER_RUN)
due_weeks = st.lists(
    st.builds(due_week, st.integers(0, 399), sizes, st.integers(0, 2 * MAX_TRIPS_PER_RUN), st.floats(0, 1e6)),
    unique_by=lambda found: found.week,
    max_size=60,
)
orders = st.permutations(ORDER)


@given(due_weeks, orders, st.sets(st.sampled_from(ORDER), max_size=100))
def test_every_due_week_is_in_exactly_one_small_range_over_no_covered_week(
    due: list[DueWeek], order: list[date], covered: set[date]
) -> None:
    by_week = {found.week: found for found in due if found.week not in covered}
    found = list(ranges(by_week, order, covered))
    counts = Counter(week for refresh in found for week in refresh.weeks)
    assert all(counts[week] == 1 for week in by_week)
    assert covered.isdisjoint(counts)
    for refresh in found:
        first = order.index(refresh.weeks[0])
        assert list(refresh.weeks) == order[first : first + len(refresh.weeks)]
        in_range = [by_week[week] for week in refresh.weeks if week in by_week]
        assert {refresh.weeks[0], refresh.weeks[-1]} <= by_week.keys()
        assert len(in_range) == 1 or sum(week.pairs for week in in_range) <= MAX_PAIRS_PER_RUN
        assert len(in_range) == 1 or sum(week.trips for week in in_range) <= MAX_TRIPS_PER_RUN


def test_neighbouring_weeks_are_one_range_even_with_gaps() -> None:
    assert ranges_of(due_week(3), due_week(0), due_week(1)) == [refresh(0, 3)]


def test_a_range_skips_as_many_fresh_weeks_as_allowed_and_no_more() -> None:
    assert ranges_of(due_week(0), due_week(MAX_FRESH_WEEKS + 1)) == [refresh(0, MAX_FRESH_WEEKS + 1)]
    far = MAX_FRESH_WEEKS + 2
    assert ranges_of(due_week(0), due_week(far)) == [refresh(0), refresh(far)]


def test_no_range_skips_a_week_that_a_run_covers() -> None:
    assert ranges_of(due_week(0), due_week(2), covered=(1,)) == [refresh(0), refresh(2)]


@pytest.mark.parametrize("limit", ["pairs", "trips"])
def test_a_range_is_filled_up_to_its_limits_and_not_beyond(limit: str) -> None:
    half = (MAX_PAIRS_PER_RUN // 2, 1) if limit == "pairs" else (1, MAX_TRIPS_PER_RUN // 2)
    assert ranges_of(due_week(0, *half), due_week(1, *half)) == [refresh(0, 1)]
    assert ranges_of(due_week(0, *half), due_week(1, *half), due_week(2)) == [refresh(0, 1), refresh(2)]


@pytest.mark.parametrize("size", [(MAX_PAIRS_PER_RUN + 1, 1), (1, MAX_TRIPS_PER_RUN + 1)])
def test_a_week_above_the_limits_is_a_run_of_its_own(size: tuple[int, int]) -> None:
    found = ranges_of(due_week(0), due_week(1, *size), due_week(2))
    assert found == [refresh(0), refresh(1), refresh(2)]


def test_ranges_follow_the_order_of_partitions_and_not_of_dates() -> None:
    # Dagster appends the partition of an early week that is loaded last.
    order = [week(5), week(6), week(0), week(7)]
    due = {found.week: found for found in (due_week(0), due_week(6), due_week(7))}
    assert list(ranges(due, order, set())) == [Refresh((week(6), week(0), week(7)))]


def planned(due: list[DueWeek], *unfinished: Refresh, workers: int = 1) -> list[Refresh]:
    return plan(due, ORDER, unfinished, workers=workers)


def test_ranges_are_requested_with_the_longest_waiting_pair_first() -> None:
    due = [due_week(0, age_s=10), due_week(100, age_s=30), due_week(200, age_s=5), due_week(202, age_s=20)]
    assert planned(due) == [refresh(100), refresh(200, 202), refresh(0)]


def test_weeks_of_unfinished_runs_are_not_requested_again() -> None:
    due = [due_week(0), due_week(1), due_week(2)]
    assert planned(due, refresh(1)) == [refresh(0), refresh(2)]
    assert planned(due, refresh(0, 2)) == []


def test_a_week_without_a_partition_is_left_out() -> None:
    assert plan([due_week(0), due_week(1)], [week(1)], [], workers=1) == [refresh(1)]
    assert plan([due_week(0)], [], [], workers=4) == []


@pytest.mark.parametrize(
    "at_work", [0, 1, MAX_UNFINISHED_RUNS - 1, MAX_UNFINISHED_RUNS, MAX_UNFINISHED_RUNS + 1]
)
@pytest.mark.parametrize("workers", [1, MAX_UNFINISHED_RUNS])
def test_no_more_runs_are_requested_than_may_be_unfinished(at_work: int, workers: int) -> None:
    unfinished = [refresh(399 - n) for n in range(at_work)]
    due = [due_week(20 * n, MAX_PAIRS_PER_RUN, age_s=100 - n) for n in range(15)]
    requests = planned(due, *unfinished, workers=workers)
    assert requests == [refresh(20 * n) for n in range(max(0, MAX_UNFINISHED_RUNS - at_work))]


@pytest.mark.parametrize("size", [(SHARED_PAIRS, SHARED_TRIPS), (1, 10 * SHARED_TRIPS)])
def test_small_ranges_and_single_pairs_are_not_shared(size: tuple[int, int]) -> None:
    assert planned([due_week(0, *size)], workers=4) == [refresh(0)]
    assert planned([due_week(0, *size)], refresh(0), workers=4) == []


@pytest.mark.parametrize("size", [(SHARED_PAIRS + 1, 0), (2, SHARED_TRIPS + 1)])
def test_a_second_worker_shares_a_large_range(size: tuple[int, int]) -> None:
    assert planned([due_week(0, *size)], workers=4) == [refresh(0)] * 2
    assert planned([due_week(0, *size)], refresh(0), workers=4) == [refresh(0)]
    assert planned([due_week(0, *size)], refresh(0), refresh(0), workers=4) == []
    assert planned([due_week(0, *size)], workers=1) == [refresh(0)]


def test_idle_workers_share_the_ranges_with_most_trips_first() -> None:
    due = [due_week(0, 5, 2 * SHARED_TRIPS), due_week(100, 5, 4 * SHARED_TRIPS)]
    assert planned(due, refresh(0), refresh(100), workers=3) == [refresh(100)]
    assert Counter(planned(due, workers=9)) == {refresh(0): 2, refresh(100): 4}


def test_every_pair_of_a_shared_range_has_at_most_one_worker() -> None:
    assert planned([due_week(0, 3, 100 * SHARED_TRIPS)], workers=9) == [refresh(0)] * 3


def test_new_weeks_have_precedence_over_sharing() -> None:
    due = [due_week(0, 5, 10 * SHARED_TRIPS), due_week(100)]
    assert planned(due, refresh(0), workers=2) == [refresh(100)]


@given(due_weeks, st.lists(st.integers(0, 399), max_size=12), st.integers(1, 20))
def test_sharing_occupies_no_more_runs_than_there_are_workers(
    due: list[DueWeek], at_work: list[int], workers: int
) -> None:
    unfinished = [refresh(number) for number in at_work]
    requests = planned(due, *unfinished, workers=workers)
    if len(set(requests) - set(unfinished)) < len(requests):
        assert len(unfinished) + len(requests) <= max(workers, MAX_UNFINISHED_RUNS)
    counts = Counter([*unfinished, *requests])
    if any(counts[request] > 1 for request in requests):
        assert len(unfinished) + len(requests) <= workers


@pytest.mark.parametrize(
    ("seconds_of_bytes", "delay"),
    [
        (0, MIN_DELAY_BY_LOADS),
        (120, MIN_DELAY_BY_LOADS),
        (300, timedelta(minutes=5)),
        (600, MAX_DELAY_BY_LOADS),
        (1e6, MAX_DELAY_BY_LOADS),
    ],
)
def test_pairs_wait_as_long_as_the_rest_of_a_backlog_may_take_within_limits(
    seconds_of_bytes: float, delay: timedelta
) -> None:
    assert delay_by_loads(int(seconds_of_bytes * LOADED_BYTES_PER_S)) == delay


def ended(seconds_ago: float, *numbers: int, failed: bool) -> FinishedRun:
    return FinishedRun(refresh(*numbers), NOW - timedelta(seconds=seconds_ago), failed)


def test_a_week_whose_run_failed_pauses_twice_as_long_each_time_up_to_the_longest() -> None:
    pause = FIRST_PAUSE.total_seconds()
    for failures in range(1, 7):
        length = pause * 2 ** (failures - 1)
        during = [ended(length - 0.1 + n, 0, 1, failed=True) for n in range(failures)]
        after = [ended(length + n, 0, 1, failed=True) for n in range(failures)]
        assert paused_weeks(during, NOW) == {week(0), week(1)}
        assert paused_weeks(after, NOW) == set()
    longest = LONGEST_PAUSE.total_seconds()
    assert paused_weeks([ended(longest - 0.1 + n, 0, failed=True) for n in range(50)], NOW) == {week(0)}
    assert paused_weeks([ended(longest + n, 0, failed=True) for n in range(50)], NOW) == set()


def test_a_success_ends_the_pause_of_its_weeks_only() -> None:
    failed = ended(1, 0, 3, failed=True)
    assert paused_weeks([ended(0, 1, 2, failed=False), failed], NOW) == {week(0), week(3)}
    assert paused_weeks([failed, ended(2, 0, 3, failed=False)], NOW) == set(refresh(0, 3).weeks)


def test_failures_before_the_last_success_do_not_lengthen_a_pause() -> None:
    old = [ended(20 + n, 0, failed=True) for n in range(10)]
    after_pause = FIRST_PAUSE.total_seconds()
    finished = [ended(after_pause, 0, failed=True), ended(15, 0, failed=False), *old]
    assert paused_weeks(finished, NOW) == set()


@pytest.mark.timeout(20)
def test_pauses_and_plans_of_every_week_since_1900_take_linear_time() -> None:
    order = [date(1900, 1, 1) + timedelta(weeks=number) for number in range(6_600)]
    finished = [FinishedRun(Refresh(tuple(order)), NOW, failed=True) for _ in range(50)]
    assert paused_weeks(finished, NOW) == set(order)
    due = [DueWeek(found, 10_000, 60_000, NOW) for found in order]
    assert len(plan(due, order, [], workers=2)) == MAX_UNFINISHED_RUNS
