"""Which runs refresh the (region, week) pairs that are due: pure functions on due pairs and runs."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

from shifts_core.calendar import ONE_WEEK
from shifts_pipeline.storage.region_week import DerivedTable
from shifts_pipeline.storage.stale_pairs import FIRST_PAUSE, LONGEST_PAUSE

MAX_FRESH_PAIRS = 64
"""Fresh pairs that a run may skip, if one run over a rectangle replaces several."""
MAX_PAIRS_PER_RUN = 500
MAX_UNFINISHED_RUNS = 8
"""Unfinished runs per derived table; later requests go to the pairs that are most urgent by then."""
MAX_PAIRS_PER_TICK = MAX_UNFINISHED_RUNS * MAX_PAIRS_PER_RUN
BACKLOG_TRIPS = 100_000
"""With more trips that are not aggregated, statistics are slow, and clusters wait for aggregates."""
MAX_CLUSTER_DELAY = timedelta(minutes=10)
"""Longest time that clusters wait for the aggregates of a backlog."""
BOTH: frozenset[DerivedTable] = frozenset({"aggregates", "clusters"})


@dataclass(frozen=True)
class Rectangle:
    """A range of regions, by position, times a range of weeks; both ends included."""

    first_region: int
    last_region: int
    first_week: date
    last_week: date

    @property
    def pairs(self) -> int:
        """Number of (region, week) pairs in it."""
        return (self.last_region - self.first_region + 1) * ((self.last_week - self.first_week).days // 7 + 1)

    def covers(self, region: int, week: date) -> bool:
        """Whether it contains a pair."""
        return self.first_region <= region <= self.last_region and self.first_week <= week <= self.last_week


@dataclass(frozen=True)
class Refresh:
    """A run that computes derived tables of the pairs in a rectangle."""

    area: Rectangle
    tables: frozenset[DerivedTable]


@dataclass(frozen=True)
class FinishedRun:
    """A run that has ended."""

    refresh: Refresh
    ended_at: datetime
    failed: bool
    """As a whole: a run in which single pairs failed counts as succeeded."""


@dataclass(frozen=True)
class DuePair:
    """A pair that is stale in a derived table."""

    region: int
    """Position among the region partitions."""
    week: date
    stale_since: datetime


class BlockedPairs:
    """Pairs that a run is refreshing, or that pause because their last runs failed as a whole."""

    def __init__(
        self,
        table: DerivedTable,
        unfinished: Iterable[Refresh],
        finished: Iterable[FinishedRun],
        now: datetime,
    ) -> None:
        """`finished` comes latest first; `now` has a time zone."""
        self._now = now
        self._running: dict[int, list[Rectangle]] = defaultdict(list)
        self._finished: dict[int, list[FinishedRun]] = defaultdict(list)
        self.count = 0
        """Upper bound of the number of blocked pairs."""
        for refresh in unfinished:
            if table in refresh.tables:
                self.count += refresh.area.pairs
                for region in _regions(refresh.area):
                    self._running[region].append(refresh.area)
        for run in finished:
            if table in run.refresh.tables:
                self.count += run.refresh.area.pairs if run.failed else 0
                for region in _regions(run.refresh.area):
                    self._finished[region].append(run)

    def __contains__(self, pair: DuePair) -> bool:
        return any(area.covers(pair.region, pair.week) for area in self._running.get(pair.region, ())) or (
            self._is_paused(pair)
        )

    def _is_paused(self, pair: DuePair) -> bool:
        last: datetime | None = None
        pause = FIRST_PAUSE / 2
        for run in self._finished.get(pair.region, ()):
            if not run.refresh.area.covers(pair.region, pair.week):
                continue
            if not run.failed:
                break
            last = last or run.ended_at
            pause = min(2 * pause, LONGEST_PAUSE)
        return last is not None and self._now < last + pause


def plan(
    due: Mapping[DerivedTable, Collection[DuePair]],
    unfinished: Sequence[Refresh],
    now: datetime,
    *,
    waiting_trips: int,
) -> list[Refresh]:
    """Decides which runs to request now. With a backlog, aggregates of all due pairs come before clusters.

    One run computes both tables if no run is unfinished and one rectangle covers all pairs: within a run, aggregates
    come first. Without a backlog clusters do not wait, or a steady trickle of posted trips would delay them for ever.

    Args:
        due: pairs by derived table, without blocked ones.
        unfinished: runs that are queued or in progress.
        now: with time zone.
        waiting_trips: number of trips that are not aggregated.
    """
    tables = frozenset(table for table, pairs in due.items() if pairs)
    if tables == BOTH and not unfinished:
        areas = list(rectangles({(pair.region, pair.week) for pairs in due.values() for pair in pairs}))
        if len(areas) == 1:
            return [Refresh(areas[0], BOTH)]
    clusters = due["clusters"]
    is_aggregating = due["aggregates"] or any("aggregates" in run.tables for run in unfinished)
    if waiting_trips > BACKLOG_TRIPS and is_aggregating:
        clusters = [pair for pair in clusters if now - pair.stale_since > MAX_CLUSTER_DELAY]
    wanted: list[tuple[DerivedTable, Collection[DuePair]]] = [
        ("aggregates", due["aggregates"]),
        ("clusters", clusters),
    ]
    requests: list[Refresh] = []
    for table, pairs in wanted:
        free = MAX_UNFINISHED_RUNS - sum(table in run.tables for run in unfinished)
        areas = list(rectangles({(pair.region, pair.week) for pair in pairs}))
        requests += [Refresh(area, frozenset({table})) for area in areas[: max(free, 0)]]
    return requests


def rectangles(pairs: Collection[tuple[int, date]]) -> Iterator[Rectangle]:
    """Covers pairs (position of the region, Monday) with few rectangles, each pair exactly once.

    One rectangle if it contains few fresh pairs. Otherwise contiguous weeks of each region, and neighbouring regions
    with the same weeks together.
    """
    if not pairs:
        return
    places, weeks = [place for place, _ in pairs], [week for _, week in pairs]
    whole = Rectangle(min(places), max(places), min(weeks), max(weeks))
    if whole.pairs <= min(MAX_PAIRS_PER_RUN, len(pairs) + MAX_FRESH_PAIRS):
        yield whole
        return
    spans = [
        (first, last, place)
        for place, of_region in groupby(sorted(pairs), key=lambda pair: pair[0])
        for first, last in _without_gaps([week for _, week in of_region])
    ]
    open_ones: dict[tuple[date, date], Rectangle] = {}
    for first, last, place in spans:
        before = open_ones.get((first, last))
        if before is not None and before.last_region == place - 1:
            wider = Rectangle(before.first_region, place, first, last)
            if wider.pairs <= MAX_PAIRS_PER_RUN:
                open_ones[first, last] = wider
                continue
        if before is not None:
            yield before
        open_ones[first, last] = Rectangle(place, place, first, last)
    yield from open_ones.values()


def _without_gaps(weeks: Sequence[date]) -> Iterator[tuple[date, date]]:
    first = last = weeks[0]
    for week in weeks[1:]:
        if week - last > ONE_WEEK or (week - first).days // 7 >= MAX_PAIRS_PER_RUN:
            yield first, last
            first = week
        last = week
    yield first, last


def _regions(area: Rectangle) -> range:
    return range(area.first_region, area.last_region + 1)
