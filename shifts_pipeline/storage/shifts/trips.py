"""The trips of regions by week, each week read once while the weeks of a history pass."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from shifts_core.calendar import week_number
from shifts_core.shifts.history import TripHistory
from shifts_pipeline.storage.region_week import PairTrips, read_pair, read_pairs
from shifts_pipeline.storage.shifts.state import History, RegionState

_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class WeekTrips:
    """The trips of a (region, week) pair in one snapshot."""

    week: date
    revision: int
    deletion_count: int
    history: TripHistory
    trip_ids: NDArray[np.int64]
    """Shape (n,): of each trip of `history`."""

    @classmethod
    def of(cls, pair: PairTrips) -> "WeekTrips":
        """Sort the trips of a pair; those that are equal in everything else by id."""
        by_id = np.argsort(pair.trip_ids)
        days = pair.moments[by_id] // _DAY_US + 7 * week_number(pair.week)
        history, order = TripHistory.of(pair.ends[by_id], pair.moments[by_id] % _DAY_US / 1e6, days)
        return cls(pair.week, pair.revision, pair.deletion_count, history, pair.trip_ids[by_id[order]])


@dataclass(frozen=True)
class MakingTrips:
    """The trips of a history, in the order of their weeks."""

    weeks: Sequence[WeekTrips]
    history: TripHistory
    trip_ids: NDArray[np.int64]

    @classmethod
    def of(cls, weeks: list[WeekTrips]) -> "MakingTrips":
        """Concatenate weeks, which stay sorted.

        Their arrays become parts of the result's arrays, one column after the other: memory never holds all trips
        twice. The list changes with them.
        """
        ends = np.cumsum([0, *(len(week.trip_ids) for week in weeks)]).tolist()
        parts = [slice(begin, end) for begin, end in pairwise(ends)]
        columns: dict[str, NDArray[Any]] = {}
        for name in ("od_coords", "times_s", "days"):
            columns[name] = np.concatenate([getattr(week.history, name) for week in weeks])
            for place, part in enumerate(parts):
                history = replace(weeks[place].history, **{name: columns[name][part]})
                weeks[place] = replace(weeks[place], history=history)
        trip_ids = np.concatenate([week.trip_ids for week in weeks])
        weeks[:] = [replace(week, trip_ids=trip_ids[part]) for week, part in zip(weeks, parts, strict=True)]
        return cls(weeks, TripHistory(**columns), trip_ids)

    @property
    def revisions(self) -> History:
        """What was read; pairs whose trips are gone have no part in it."""
        return tuple((week.week, week.revision) for week in self.weeks if len(week.trip_ids))


class TripsOfWeeks:
    """Trips of some regions. Weeks are asked for in rising order."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._read: dict[tuple[int, date], WeekTrips] = {}

    def read(self, histories: Mapping[int, tuple[RegionState, Sequence[date]]]) -> dict[int, MakingTrips]:
        """Read the histories of regions.

        Args:
            histories: region id → region, and at least one week that it had trips in. Weeks before the first of all
                are forgotten.
        """
        first = min(weeks[0] for _, weeks in histories.values())
        self._read = {key: trips for key, trips in self._read.items() if key[1] >= first}
        for week in sorted({week for _, weeks in histories.values() for week in weeks}):
            missing = {
                region_id: state.region
                for region_id, (state, weeks) in histories.items()
                if week in weeks and (region_id, week) not in self._read
            }
            for pair in _read_pairs(self._connection, missing, week):
                self._read[pair.region_id, week] = WeekTrips.of(pair)
        return {region_id: self._concatenate(region_id, weeks) for region_id, (_, weeks) in histories.items()}

    def _concatenate(self, region_id: int, weeks: Sequence[date]) -> MakingTrips:
        found = MakingTrips.of([self._read.pop((region_id, week)) for week in weeks])
        for part in found.weeks:
            self._read[region_id, part.week] = part
        return found


def _read_pairs(
    connection: psycopg.Connection, regions: Mapping[int, str], week: date
) -> Iterable[PairTrips]:
    if len(regions) > 1:
        return read_pairs(connection, regions, week)
    # Perhaps a large one, which is read without holding its rows.
    pairs = (read_pair(connection, region, week) for region in regions.values())
    return (pair for pair in pairs if pair is not None)
