"""What the database says about the makings of regions: what they were made from, and what their pairs hold now."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum

import numpy as np
import psycopg
from numpy.typing import NDArray

from shifts_core.calendar import ONE_WEEK, week_number
from shifts_core.shifts.parameters import ShiftParameters

History = tuple[tuple[date, int], ...]
"""Weeks with trips, in order, and the revision of each."""


@dataclass(frozen=True)
class MakingOptions:
    """How shifts are made."""

    parameters: ShiftParameters
    weeks: int
    """Length of the history."""

    @property
    def text(self) -> str:
        """All of them as text, by which makings are compared."""
        return json.dumps({"weeks": self.weeks, **vars(self.parameters)}, sort_keys=True)


@dataclass(frozen=True)
class PairState:
    """A (region, week) pair."""

    revision: int
    trips: int
    is_stale: bool
    """Whether a making may not have seen its last change."""


@dataclass(frozen=True)
class MakingState:
    """What a making was made from."""

    parameters: str
    history: History
    earlier_names: bytes
    names: bytes
    stops: bytes
    """Hash of the stops."""


@dataclass(frozen=True)
class RegionStops:
    """The places at which vehicles of a region may stop."""

    hash: bytes = b""
    """Empty without any."""
    places: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    """Shape (s, 2): longitude and latitude, degrees; in an order that depends on content only."""
    labels: Sequence[str] = ()


class Work(Enum):
    """What is to be done for the making of a week."""

    NOTHING = 0
    MAKE = 1
    NAME = 2
    """Its shifts are right; their ids follow from makings that have changed."""
    DELETE = 3


@dataclass
class RegionState:
    """The pairs and makings of a region."""

    region_id: int
    region: str
    pairs: dict[date, PairState] = field(default_factory=dict)
    makings: dict[date, MakingState] = field(default_factory=dict)
    stops: RegionStops = field(default_factory=RegionStops)
    kept_from: date | None = None
    """The first week that the retention keeps; None if none has expired."""

    def weeks(self) -> set[date]:
        """Weeks that have trips or a making."""
        return {week for week, pair in self.pairs.items() if pair.trips} | self.makings.keys()

    def history(self, week: date, weeks: int) -> History:
        """The pairs with trips among the last weeks."""
        found = ((each, self.pairs.get(each)) for each in _last(week, weeks))
        return tuple((each, pair.revision) for each, pair in found if pair is not None and pair.trips)

    def is_cut_off(self, week: date, weeks: int) -> bool:
        """Whether makings that gave the shifts of a week their ids may have expired."""
        return self.kept_from is not None and week - weeks * ONE_WEEK < self.kept_from <= week

    def earlier_names(self, week: date, weeks: int) -> bytes:
        """Hash of all that the ids of a making follow from, besides its own shifts."""
        digest = hashlib.blake2b(digest_size=16)
        for each in _last(week - ONE_WEEK, weeks):
            if each in self.makings:
                digest.update(week_number(each).to_bytes(4, "big") + self.makings[each].names)
        return digest.digest()

    def work(self, week: date, options: MakingOptions, *, forced: bool) -> Work:
        """What is to be done for a week, when those before it are done."""
        pair, making = self.pairs.get(week), self.makings.get(week)
        if pair is None or not pair.trips:
            return Work.DELETE if making else Work.NOTHING
        wanted = (options.text, self.history(week, options.weeks), self.stops.hash)
        if forced or making is None or (making.parameters, making.history, making.stops) != wanted:
            return Work.MAKE
        if making.earlier_names != self.earlier_names(week, options.weeks):
            return Work.NAME
        return Work.NOTHING


def read_states(connection: psycopg.Connection, region_ids: Sequence[int]) -> list[RegionState]:
    """The states of regions, in the order of their ids, in one snapshot.

    Args:
        connection: in autocommit mode.
        region_ids: at least one region.
    """
    ids = list(region_ids)
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        row = connection.execute("SELECT max(week) FROM shifts_store.expired_weeks").fetchone()
        kept_from = row[0] + ONE_WEEK if row and row[0] else None
        names = connection.execute(
            "SELECT region_id, name FROM shifts_store.regions WHERE region_id = ANY (%s) ORDER BY region_id",
            [ids],
        ).fetchall()
        states = {region_id: RegionState(region_id, name, kept_from=kept_from) for region_id, name in names}
        for region_id, week, revision, is_stale, trips in connection.execute(
            """
            SELECT w.region_id, w.week, w.revision, w.shifts_revision <> w.revision, coalesce(c.trips, 0)
            FROM shifts_store.region_weeks w
            LEFT JOIN (SELECT region_id, week, sum(trips)::bigint AS trips FROM shifts_store.file_week_counts
                       WHERE region_id = ANY (%s) GROUP BY region_id, week) AS c USING (region_id, week)
            WHERE w.region_id = ANY (%s)
            """,
            [ids, ids],
        ):
            states[region_id].pairs[week] = PairState(revision, trips, is_stale)
        for region_id, week, parameters, weeks, revisions, *hashes in connection.execute(
            """
            SELECT region_id, week, parameters, history_weeks, history_revisions, earlier_names, names, stops
            FROM shifts_store.shift_makings WHERE region_id = ANY (%s)
            """,
            [ids],
        ):
            history = tuple(zip(weeks, revisions, strict=True))
            states[region_id].makings[week] = MakingState(parameters, history, *hashes)
        stops = read_stops(connection, [state.region for state in states.values()])
        for state in states.values():
            state.stops = stops.get(state.region, state.stops)
    return list(states.values())


def read_stops(connection: psycopg.Connection, regions: Sequence[str]) -> dict[str, RegionStops]:
    """The stops of those of the named regions that have any."""
    found: dict[str, RegionStops] = {}
    for region, stored in connection.execute(
        "SELECT region, hash FROM shifts_store.region_stops WHERE region = ANY (%s)", [list(regions)]
    ).fetchall():
        rows = connection.execute(
            """
            SELECT public.ST_X(place), public.ST_Y(place), name FROM shifts.stops WHERE region = %s
            ORDER BY 1, 2, name COLLATE "C"
            """,
            [region],
        ).fetchall()
        longitudes, latitudes, labels = zip(*rows, strict=True)
        places = np.column_stack([longitudes, latitudes])
        found[region] = RegionStops(stored, places, labels)
    return found


def _last(week: date, weeks: int) -> list[date]:
    return [week - number * ONE_WEEK for number in reversed(range(weeks))]
