"""The sensor over stale (region, week) pairs: what loads have changed is grouped and aggregated anew."""

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

import dagster as dg
import psycopg
from psycopg.rows import class_row

from shifts_pipeline import ledger
from shifts_pipeline.jobs import REFRESH_WEEKS
from shifts_pipeline.partitions import REGIONS, pair_of, to_key
from shifts_pipeline.resources import TripsDatabase
from shifts_pipeline.sensors.waiting import wait_for_work
from shifts_pipeline.tags import MAX_RETRIES, ONLY_STALE, RANGE_END, RANGE_START

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
LOADS_MAY_DELAY = timedelta(minutes=2)
"""While files are being loaded a pair waits so long: the next file will very likely change it again."""
FRESH_ENOUGH_TO_SKIP = 64
"""A run may pass over so many fresh pairs, if that saves runs."""
PAIRS_A_RUN = 500


@dataclass(frozen=True)
class StalePair:
    """A pair whose trips changed after one of its layers was computed."""

    region: str
    week: date
    stale_since: datetime


@dataclass(frozen=True)
class Rectangle:
    """Regions from one place to another in their order, by weeks from one to another; ends included."""

    first_region: int
    last_region: int
    first_week: date
    last_week: date

    @property
    def pairs(self) -> int:
        """How many (region, week) pairs it covers."""
        return (self.last_region - self.first_region + 1) * ((self.last_week - self.first_week).days // 7 + 1)

    def covers(self, region: int, week: date) -> bool:
        """Whether a pair lies within."""
        return self.first_region <= region <= self.last_region and self.first_week <= week <= self.last_week


def due(pairs: Iterable[StalePair], *, loading: bool, now: datetime) -> list[StalePair]:
    """The stale pairs that should be refreshed now."""
    return [pair for pair in pairs if not loading or now - pair.stale_since > LOADS_MAY_DELAY]


def rectangles(pairs: Collection[tuple[int, date]]) -> Iterator[Rectangle]:
    """Covers pairs (place of the region, Monday) with few rectangles, each pair exactly once.

    All in one if that passes over few fresh pairs; else weeks without a gap for each region, and neighbouring
    regions with the same weeks together.
    """
    if not pairs:
        return
    places, weeks = [place for place, _ in pairs], [week for _, week in pairs]
    whole = Rectangle(min(places), max(places), min(weeks), max(weeks))
    if whole.pairs <= min(PAIRS_A_RUN, len(pairs) + FRESH_ENOUGH_TO_SKIP):
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
            if wider.pairs <= PAIRS_A_RUN:
                open_ones[first, last] = wider
                continue
        if before is not None:
            yield before
        open_ones[first, last] = Rectangle(place, place, first, last)
    yield from open_ones.values()


def _without_gaps(weeks: Sequence[date]) -> Iterator[tuple[date, date]]:
    first = last = weeks[0]
    for week in weeks[1:]:
        if week - last > timedelta(weeks=1) or (week - first).days // 7 >= PAIRS_A_RUN:
            yield first, last
            first = week
        last = week
    yield first, last


@dg.sensor(
    job_name=REFRESH_WEEKS,
    minimum_interval_seconds=2,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Refreshes groups and aggregates of the weeks that loads have changed.",
)
def stale_weeks(context: dg.SensorEvaluationContext, trips_database: TripsDatabase) -> dg.SensorResult:
    """Requests one run for each rectangle of stale pairs that no run is at."""
    with trips_database.connect(autocommit=True) as connection:
        wanted = wait_for_work(connection, "shifts_weeks", lambda: _due(connection))
    if wanted is None:
        return dg.SensorResult(skip_reason="every pair is fresh, or waits for loads to end")
    known = context.instance.get_dynamic_partitions(str(REGIONS.name))
    new = sorted({key for pair in wanted if (key := to_key(pair.region)) not in set(known)})
    regions = [*known, *new]
    position = {key: place for place, key in enumerate(regions)}
    running = _running(context.instance, position)
    open_pairs = {
        (position[to_key(pair.region)], pair.week)
        for pair in wanted
        if not any(area.covers(position[to_key(pair.region)], pair.week) for area in running)
    }
    return dg.SensorResult(
        run_requests=[_request(area, regions) for area in rectangles(open_pairs)],
        dynamic_partitions_requests=[REGIONS.build_add_request(new)] if new else None,
    )


def _due(connection: psycopg.Connection) -> list[StalePair] | None:
    with connection.cursor(row_factory=class_row(StalePair)) as cursor:
        pairs = cursor.execute(
            "SELECT region, week, stale_since FROM shifts_store.stale_weeks ORDER BY region, week"
        ).fetchall()
    return due(pairs, loading=bool(ledger.unfinished(connection)), now=datetime.now(UTC)) or None


def _request(area: Rectangle, regions: Sequence[str]) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=uuid.uuid4().hex,
        tags={
            RANGE_START: f"{regions[area.first_region]}|{area.first_week}",
            RANGE_END: f"{regions[area.last_region]}|{area.last_week}",
            ONLY_STALE: "true",
            # What stays stale is requested again; a retry beside that would do the work twice.
            MAX_RETRIES: "0",
        },
    )


def _running(instance: dg.DagsterInstance, position: Mapping[str, int]) -> list[Rectangle]:
    """The areas that unfinished runs are at."""
    areas = []
    for run in instance.get_runs(filters=dg.RunsFilter(job_name=REFRESH_WEEKS, statuses=UNFINISHED)):
        if RANGE_START in run.tags and RANGE_END in run.tags:
            first_region, first_week = pair_of(run.tags[RANGE_START])
            last_region, last_week = pair_of(run.tags[RANGE_END])
            areas.append(
                Rectangle(
                    position[to_key(first_region)], position[to_key(last_region)], first_week, last_week
                )
            )
    return areas
