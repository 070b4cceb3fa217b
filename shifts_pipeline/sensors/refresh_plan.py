"""Which runs refresh the weeks that are due: pure functions on weeks and runs."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from shifts_pipeline.storage.stale_pairs import FIRST_PAUSE, LONGEST_PAUSE

MAX_PAIRS_PER_RUN, MAX_TRIPS_PER_RUN = 4_000, 20_000_000
"""Of due pairs, so that weeks that become stale do not wait long for a run; a single week may have more."""
MAX_FRESH_WEEKS = 12
"""Fresh weeks between two due ones that a run may skip, if one run replaces two."""
MAX_UNFINISHED_RUNS = 8
"""Later requests go to the weeks that are most urgent by then."""
SHARED_PAIRS, SHARED_TRIPS = 200, 1_000_000
"""With more due pairs, or several pairs with more trips, idle workers share the weeks of a run."""

MIN_DELAY_BY_LOADS, MAX_DELAY_BY_LOADS = timedelta(minutes=2), timedelta(minutes=10)
"""How long a pair waits while files are being loaded: the next file will very likely change it again."""
LOADED_BYTES_PER_S = 20_000_000
"""A slow load, by which the rest of a backlog is estimated."""


@dataclass(frozen=True)
class DueWeek:
    """A week with pairs that are due for a refresh."""

    week: date
    pairs: int
    trips: int
    """Of these pairs."""
    stale_since: datetime
    """Of the oldest stale pair."""


@dataclass(frozen=True)
class Refresh:
    """A run over a range of partitions: weeks in Dagster's order, which is the order of their insertion."""

    weeks: tuple[date, ...]


@dataclass(frozen=True)
class FinishedRun:
    """A run that has ended."""

    refresh: Refresh
    ended_at: datetime
    failed: bool
    """As a whole: a run in which single pairs failed counts as succeeded."""


def delay_by_loads(unfinished_bytes: int) -> timedelta:
    """How long pairs wait while files of this many bytes are queued or loading.

    A pair that is clustered between two files that change it is clustered twice; within limits it waits for the last.
    """
    estimate = timedelta(seconds=unfinished_bytes / LOADED_BYTES_PER_S)
    return min(max(estimate, MIN_DELAY_BY_LOADS), MAX_DELAY_BY_LOADS)


def paused_weeks(finished: Sequence[FinishedRun], now: datetime) -> set[date]:
    """Weeks whose last runs failed as a whole, and whose pause, doubled by each failure, is not over.

    Args:
        finished: runs that have ended, latest first.
        now: with time zone.
    """
    succeeded: set[date] = set()
    last: dict[date, datetime] = {}
    pauses: dict[date, timedelta] = {}
    for run in finished:
        if not run.failed:
            succeeded.update(run.refresh.weeks)
            continue
        for week in set(run.refresh.weeks) - succeeded:
            last.setdefault(week, run.ended_at)
            pauses[week] = min(2 * pauses[week], LONGEST_PAUSE) if week in pauses else FIRST_PAUSE
    return {week for week, ended_at in last.items() if now < ended_at + pauses[week]}


def plan(
    due: Collection[DueWeek], order: Sequence[date], unfinished: Sequence[Refresh], *, workers: int
) -> list[Refresh]:
    """Decides which runs to request now.

    Weeks that no run covers get runs over ranges of them, oldest first. Workers that would be idle then share the
    largest ranges: each run takes the pairs that no other run is refreshing.

    Args:
        due: weeks with due pairs, without paused ones.
        order: all weeks in the order of their partitions.
        unfinished: runs that are queued or in progress.
        workers: number of runs that Dagster executes at a time.
    """
    covered = {week for refresh in unfinished for week in refresh.weeks}
    by_week = {week.week: week for week in due}
    new = sorted(
        ranges({week: by_week[week] for week in by_week.keys() - covered}, order, covered),
        key=lambda refresh: min(by_week[week].stale_since for week in refresh.weeks if week in by_week),
    )
    requests = new[: max(0, MAX_UNFINISHED_RUNS - len(unfinished))]
    sharing = Counter([*unfinished, *requests])
    for refresh in sorted(sharing, key=lambda refresh: -_size(refresh, by_week)[1]):
        while len(unfinished) + len(requests) < workers and _is_shared(refresh, by_week, sharing[refresh]):
            requests.append(refresh)
            sharing[refresh] += 1
    return requests


def ranges(
    due: Mapping[date, DueWeek], order: Sequence[date], covered: AbstractSet[date]
) -> Iterator[Refresh]:
    """Covers weeks with few ranges of limited size, each exactly once, over few fresh weeks and no covered ones."""
    current: list[date] = []
    gap: list[date] = []
    pairs = trips = 0
    for week in order:
        found = due.get(week)
        if found is None:
            gap.append(week)
            continue
        is_full = pairs + found.pairs > MAX_PAIRS_PER_RUN or trips + found.trips > MAX_TRIPS_PER_RUN
        if current and (is_full or len(gap) > MAX_FRESH_WEEKS or not covered.isdisjoint(gap)):
            yield Refresh(tuple(current))
            current, pairs, trips = [], 0, 0
        if current:
            current += gap
        gap = []
        current.append(week)
        pairs, trips = pairs + found.pairs, trips + found.trips
    if current:
        yield Refresh(tuple(current))


def _is_shared(refresh: Refresh, due: Mapping[date, DueWeek], workers: int) -> bool:
    """Whether another worker finds enough to do in the weeks of a run that has some workers."""
    pairs, trips = _size(refresh, due)
    return pairs > workers and (pairs > workers * SHARED_PAIRS or trips > workers * SHARED_TRIPS)


def _size(refresh: Refresh, due: Mapping[date, DueWeek]) -> tuple[int, int]:
    weeks = [due[week] for week in refresh.weeks if week in due]
    return sum(week.pairs for week in weeks), sum(week.trips for week in weeks)
