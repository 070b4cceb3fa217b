"""Which due pairs are refreshed now, in which order, and in how few runs."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifts_pipeline.sensors.refresh_plan import (
    BACKLOG_TRIPS,
    BOTH,
    MAX_CLUSTER_DELAY,
    MAX_PAIRS_PER_RUN,
    MAX_UNFINISHED_RUNS,
    BlockedPairs,
    DuePair,
    FinishedRun,
    Rectangle,
    Refresh,
    plan,
    rectangles,
)
from shifts_pipeline.storage.region_week import DerivedTable
from shifts_pipeline.storage.stale_pairs import FIRST_PAUSE, LONGEST_PAUSE

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
MONDAY = date(2018, 4, 30)
AGGREGATES: frozenset[DerivedTable] = frozenset({"aggregates"})
CLUSTERS: frozenset[DerivedTable] = frozenset({"clusters"})


def week(number: int) -> date:
    return MONDAY + timedelta(weeks=number)


def due_pair(region: int = 0, number: int = 0, age: timedelta = timedelta(seconds=1)) -> DuePair:
    return DuePair(region, week(number), NOW - age)


def planned(
    aggregates: list[DuePair],
    clusters: list[DuePair],
    unfinished: list[Refresh],
    waiting_trips: int = BACKLOG_TRIPS + 1,
) -> list[Refresh]:
    return plan(due(aggregates, clusters), unfinished, NOW, waiting_trips=waiting_trips)


def due(aggregates: list[DuePair], clusters: list[DuePair]) -> dict[DerivedTable, list[DuePair]]:
    return {"aggregates": aggregates, "clusters": clusters}


def test_three_regions_over_five_weeks_are_one_run_even_with_gaps() -> None:
    pairs = {(region, week(w)) for region in range(3) for w in range(5)} - {(1, week(2)), (0, week(0))}
    assert list(rectangles(pairs)) == [Rectangle(0, 2, week(0), week(4))]


def test_a_run_passes_over_64_fresh_pairs_and_not_over_65() -> None:
    assert len(list(rectangles({(0, week(0)), (0, week(65))}))) == 1
    assert len(list(rectangles({(0, week(0)), (0, week(66))}))) == 2


def test_two_pairs_a_decade_apart_are_two_runs() -> None:
    assert len(list(rectangles({(0, week(0)), (1, week(520))}))) == 2


@given(st.sets(st.tuples(st.integers(0, 12), st.integers(0, 400).map(week)), max_size=60))
def test_every_stale_pair_is_in_exactly_one_run_and_runs_stay_small(pairs: set[tuple[int, date]]) -> None:
    areas = list(rectangles(pairs))
    for pair in pairs:
        assert sum(area.covers(*pair) for area in areas) == 1
    assert all(area.pairs <= MAX_PAIRS_PER_RUN for area in areas)


def test_neighbouring_regions_with_the_same_weeks_share_runs_up_to_the_limit() -> None:
    areas = list(rectangles({(region, week(w)) for region in range(100) for w in range(10)}))
    assert [area.pairs for area in areas] == [MAX_PAIRS_PER_RUN, MAX_PAIRS_PER_RUN]


def test_regions_with_the_same_weeks_share_no_run_across_a_gap() -> None:
    far = (9, week(1000))
    areas = set(rectangles({(0, week(0)), (1, week(0)), (3, week(0)), far}))
    assert areas == {
        Rectangle(0, 1, week(0), week(0)),
        Rectangle(3, 3, week(0), week(0)),
        Rectangle(9, 9, week(1000), week(1000)),
    }


def test_weeks_of_one_region_share_no_run_across_a_gap() -> None:
    areas = list(rectangles({(0, week(number)) for number in (0, 1, 3, 1000)}))
    assert [(area.first_week, area.last_week) for area in areas] == [
        (week(0), week(1)),
        (week(3), week(3)),
        (week(1000), week(1000)),
    ]


def test_the_weeks_of_one_region_are_split_into_runs_at_the_limit() -> None:
    areas = rectangles({(0, week(number)) for number in range(2 * MAX_PAIRS_PER_RUN + 1)})
    assert [area.pairs for area in areas] == [MAX_PAIRS_PER_RUN, MAX_PAIRS_PER_RUN, 1]


def test_a_small_change_is_one_run_for_both_derived_tables() -> None:
    pairs = [due_pair(region) for region in range(3)]
    assert planned(pairs, pairs, []) == [Refresh(Rectangle(0, 2, MONDAY, MONDAY), BOTH)]


def test_a_backlog_gets_its_aggregates_first() -> None:
    pairs = [due_pair(region, number) for region in range(3) for number in range(0, 1400, 140)]
    requests = planned(pairs, pairs, [])
    assert requests
    assert {request.tables for request in requests} == {AGGREGATES}


def test_clusters_wait_for_a_run_that_computes_aggregates() -> None:
    at_work = Refresh(Rectangle(9, 9, MONDAY, MONDAY), AGGREGATES)
    assert planned([], [due_pair()], [at_work]) == []


def test_clusters_do_not_wait_for_aggregates_for_ever() -> None:
    old = due_pair(0, 0, MAX_CLUSTER_DELAY + timedelta(seconds=1))
    young = due_pair(0, 1, MAX_CLUSTER_DELAY)
    at_work = Refresh(Rectangle(9, 9, MONDAY, MONDAY), AGGREGATES)
    requests = planned([due_pair(5)], [old, young], [at_work])
    assert [request.area for request in requests if request.tables == CLUSTERS] == [
        Rectangle(0, 0, MONDAY, MONDAY)
    ]


@pytest.mark.parametrize("waiting_trips", [0, BACKLOG_TRIPS])
def test_without_a_backlog_clusters_wait_for_no_aggregates(waiting_trips: int) -> None:
    at_work = Refresh(Rectangle(9, 9, MONDAY, MONDAY), AGGREGATES)
    requests = planned([due_pair()], [due_pair()], [at_work], waiting_trips)
    assert [request.tables for request in requests] == [AGGREGATES, CLUSTERS]


def test_aggregates_are_requested_before_clusters_that_waited_long() -> None:
    old = due_pair(0, 0, MAX_CLUSTER_DELAY + timedelta(seconds=1))
    requests = planned([due_pair(5)], [old], [Refresh(Rectangle(9, 9, MONDAY, MONDAY), AGGREGATES)])
    assert [request.tables for request in requests] == [AGGREGATES, CLUSTERS]


def test_runs_of_one_derived_table_take_no_room_of_the_other() -> None:
    unfinished = [
        Refresh(Rectangle(500 + n, 500 + n, MONDAY, MONDAY), CLUSTERS) for n in range(MAX_UNFINISHED_RUNS)
    ]
    assert planned([due_pair()], [], unfinished) == [Refresh(Rectangle(0, 0, MONDAY, MONDAY), AGGREGATES)]


def test_clusters_follow_when_no_aggregates_are_due() -> None:
    at_work = Refresh(Rectangle(9, 9, MONDAY, MONDAY), CLUSTERS)
    assert planned([], [due_pair()], [at_work]) == [Refresh(Rectangle(0, 0, MONDAY, MONDAY), CLUSTERS)]


@pytest.mark.parametrize(
    "at_work", [0, 1, MAX_UNFINISHED_RUNS - 1, MAX_UNFINISHED_RUNS, MAX_UNFINISHED_RUNS + 1]
)
def test_no_more_runs_of_a_derived_table_are_requested_than_may_wait(at_work: int) -> None:
    unfinished = [Refresh(Rectangle(500 + n, 500 + n, MONDAY, MONDAY), AGGREGATES) for n in range(at_work)]
    pairs = [due_pair(region, 140 * (region % 10)) for region in range(100)]
    assert len(planned(pairs, [], unfinished)) == max(0, MAX_UNFINISHED_RUNS - at_work)


@pytest.mark.timeout(60)
def test_half_a_million_due_pairs_among_as_many_blocked_ones_are_planned_in_linear_time() -> None:
    regions, weeks = 10_000, 50
    unfinished = [
        Refresh(Rectangle(place, place + 9, week(0), week(weeks - 1)), AGGREGATES)
        for place in range(0, regions, 20)
    ]
    blocked = BlockedPairs("aggregates", unfinished, [], NOW)
    pairs = [due_pair(region, number) for region in range(regions) for number in range(weeks)]
    free = [pair for pair in pairs if pair not in blocked]
    assert len(free) == regions * weeks // 2
    assert len(planned(free, [], [])) == MAX_UNFINISHED_RUNS


def ended(
    seconds_ago: float, *, failed: bool, region: int = 0, tables: frozenset[DerivedTable] = BOTH
) -> FinishedRun:
    area = Rectangle(region, region, week(0), week(4))
    return FinishedRun(Refresh(area, tables), NOW - timedelta(seconds=seconds_ago), failed)


def is_paused(pair: DuePair, finished: list[FinishedRun], table: DerivedTable = "clusters") -> bool:
    return pair in BlockedPairs(table, [], finished, NOW)


def test_a_pair_whose_run_failed_pauses_twice_as_long_each_time_up_to_the_longest() -> None:
    pause = FIRST_PAUSE.total_seconds()
    pair = due_pair(0, 1)
    for failures in range(1, 6):
        length = pause * 2 ** (failures - 1)
        assert is_paused(pair, [ended(length - 0.1 + n, failed=True) for n in range(failures)])
        assert not is_paused(pair, [ended(length + n, failed=True) for n in range(failures)])
    longest = LONGEST_PAUSE.total_seconds()
    assert is_paused(pair, [ended(longest - 0.1 + n, failed=True) for n in range(20)])
    assert not is_paused(pair, [ended(longest + n, failed=True) for n in range(20)])


def test_a_success_and_failures_elsewhere_make_no_pause() -> None:
    failed = ended(0, failed=True)
    assert is_paused(due_pair(), [failed])
    assert not is_paused(due_pair(), [ended(0, failed=False), failed])
    assert not is_paused(due_pair(1), [failed])
    assert not is_paused(due_pair(0, 5), [failed])
    assert not is_paused(due_pair(), [ended(0, failed=True, tables=AGGREGATES)])


def test_a_newer_run_over_other_weeks_of_the_region_ends_no_pause() -> None:
    other_weeks = FinishedRun(Refresh(Rectangle(0, 0, week(5), week(9)), BOTH), NOW, failed=False)
    assert is_paused(due_pair(0, 1), [other_weeks, ended(0, failed=True)])


def test_runs_that_succeeded_count_no_pair_as_blocked() -> None:
    assert BlockedPairs("clusters", [], [ended(0, failed=False)], NOW).count == 0


def test_a_pair_that_a_run_refreshes_is_blocked_in_that_derived_table_only() -> None:
    unfinished = [Refresh(Rectangle(1, 2, week(0), week(4)), AGGREGATES)]
    blocked = BlockedPairs("aggregates", unfinished, [ended(0, failed=True)], NOW)
    assert due_pair(1, 4) in blocked
    assert due_pair(2, 0) in blocked
    assert due_pair(3, 0) not in blocked
    assert due_pair(1, 5) not in blocked
    assert blocked.count == 10 + 5
    assert due_pair(1, 4) not in BlockedPairs("clusters", unfinished, [], NOW)
