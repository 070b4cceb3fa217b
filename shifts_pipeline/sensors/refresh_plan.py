"""What to refresh now and in how few runs: pure functions on stale pairs and finished runs."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

LOADS_MAY_DELAY = timedelta(minutes=2)
"""While files are being loaded a pair waits so long: the next file will very likely change it again."""
FRESH_ENOUGH_TO_SKIP = 64
"""A run may pass over so many fresh pairs, if that saves runs."""
PAIRS_A_RUN = 500
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=5)
"""After failed runs; each further failure doubles it."""


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


@dataclass(frozen=True)
class FinishedRun:
    """A run that is over."""

    area: Rectangle
    ended_at: datetime
    failed: bool


def is_paused(region: int, week: date, finished: Iterable[FinishedRun], now: datetime) -> bool:
    """Whether the last runs at a pair failed so lately that another would only fail too.

    Args:
        region: its place.
        week: its Monday.
        finished: the latest first.
        now: with time zone.
    """
    last: datetime | None = None
    pause = FIRST_PAUSE / 2
    for run in finished:
        if not run.area.covers(region, week):
            continue
        if not run.failed:
            break
        last = last or run.ended_at
        pause = min(2 * pause, LONGEST_PAUSE)
    return last is not None and now < last + pause


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
