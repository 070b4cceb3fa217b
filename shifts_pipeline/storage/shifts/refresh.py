"""Refreshes the makings of some regions, week by week: each is made, named again, deleted or left as it is.

What is to be done follows from the tables alone, so a refresh that was interrupted continues where it stopped, and
the ids of shifts do not depend on when trips came.
"""

from collections.abc import Collection, Sequence
from datetime import date

import psycopg

from shifts_core.calendar import ONE_WEEK
from shifts_core.shifts.matching import NamedShifts
from shifts_pipeline.storage.shifts.making import make, name
from shifts_pipeline.storage.shifts.rows import read_named
from shifts_pipeline.storage.shifts.state import MakingOptions, RegionState, Work, read_states
from shifts_pipeline.storage.shifts.trips import TripsOfWeeks
from shifts_pipeline.storage.shifts.violations import check_shifts
from shifts_pipeline.storage.shifts.write import delete_makings, rename_makings, replace_makings


def refresh_regions(
    connection: psycopg.Connection,
    region_ids: Sequence[int],
    options: MakingOptions,
    forced: Collection[date] = (),
) -> dict[date, int]:
    """Bring the makings of regions up to date.

    Each week is written in transactions of its own. Regions that a load has deleted trips of meanwhile stay stale.

    Args:
        connection: in autocommit mode.
        region_ids: the regions, which the caller has locked.
        options: how shifts are made.
        forced: weeks to be made even if nothing has changed.

    Returns:
        The number of regions of each week that were made or named again, or whose shifts were deleted; 0 for weeks
        that are no longer stale with nothing to do.
    """
    states = read_states(connection, region_ids)
    refresh = _Refresh(connection, options)
    done: dict[date, int] = {}
    for week in sorted(set().union(*(state.weeks() for state in states))):
        changed = refresh.week(week, states, is_forced=week in forced)
        if changed:
            done[week] = changed
    complete = [state for state in states if state.region_id not in refresh.incomplete]
    seen = [
        (state.region_id, week, pair.revision, state.stops.hash)
        for state in complete
        for week, pair in state.pairs.items()
        if pair.is_stale
    ]
    for _, week, _, _ in seen:
        for number in range(options.weeks):
            done.setdefault(week + number * ONE_WEEK, 0)
    connection.execute(
        "SELECT shifts_store.record_shifts(%s::integer[], %s::date[], %s::bigint[], %s::bytea[], %s)",
        [*([list(column) for column in zip(*seen, strict=True)] or [[], [], [], []]), options.text],
    )
    return done


class _Refresh:
    """The refresh of some regions, whose weeks come in order."""

    def __init__(self, connection: psycopg.Connection, options: MakingOptions) -> None:
        self._connection, self._options = connection, options
        self._trips = TripsOfWeeks(connection)
        self._named: dict[date, dict[int, NamedShifts]] = {}
        """Shifts of weeks by region, as far as they were read or made."""
        self.incomplete: set[int] = set()
        """Regions with makings that could not be written."""

    def week(self, week: date, states: Sequence[RegionState], *, is_forced: bool) -> int:
        """Do what is to be done for a week; return for how many regions that was."""
        work: dict[Work, list[RegionState]] = {each: [] for each in Work}
        for state in states:
            work[state.work(week, self._options, forced=is_forced)].append(state)
        if work[Work.DELETE]:
            delete_makings(self._connection, week, work[Work.DELETE])
        if work[Work.NAME]:
            self._name(week, work[Work.NAME])
        if work[Work.MAKE]:
            self._make(week, work[Work.MAKE])
        return len(states) - len(work[Work.NOTHING])

    def _make(self, week: date, regions: Sequence[RegionState]) -> None:
        weeks = self._options.weeks
        found = self._trips.read(
            {
                region.region_id: (region, [each for each, _ in region.history(week, weeks)])
                for region in regions
            }
        )
        earlier = self._earlier(week, regions)
        makings = [
            make(region, week, found[region.region_id], earlier[region.region_id], self._options)
            for region in regions
        ]
        written = replace_makings(self._connection, week, makings, self._options)
        self._remember(week, {making.region.region_id: making.named for making in written})
        ids = [making.region.region_id for making in written]
        self.incomplete |= {region.region_id for region in regions} - set(ids)
        with_shifts = [making for making in written if len(making.named.ids)]
        if with_shifts:
            check_shifts(self._connection, with_shifts, self._options)

    def _name(self, week: date, regions: Sequence[RegionState]) -> None:
        earlier = self._earlier(week, regions)
        found = self._read(week, regions)
        named = {
            region.region_id: (
                region,
                name(region, week, found[region.region_id], earlier[region.region_id], self._options),
            )
            for region in regions
        }
        rename_makings(self._connection, week, named, self._options)
        self._remember(week, {region_id: shifts for region_id, (_, shifts) in named.items()})

    def _earlier(
        self, week: date, regions: Sequence[RegionState]
    ) -> dict[int, list[tuple[date, NamedShifts]]]:
        """The makings from which ids are taken, in order, of each region."""
        before = [week - number * ONE_WEEK for number in range(self._options.weeks, 0, -1)]
        self._named = {each: shifts for each, shifts in self._named.items() if each >= before[0]}
        found: dict[int, list[tuple[date, NamedShifts]]] = {region.region_id: [] for region in regions}
        # Shifts keep their ids when the makings that they have them from expire.
        cut_off = [
            region
            for region in regions
            if week in region.makings and region.is_cut_off(week, self._options.weeks)
        ]
        for region_id, shifts in self._read(week, cut_off).items():
            found[region_id].append((before[0], shifts))
        for each in before:
            made = [region for region in regions if each in region.makings]
            for region_id, shifts in self._read(each, made).items():
                found[region_id].append((each, shifts))
        return found

    def _read(self, week: date, regions: Sequence[RegionState]) -> dict[int, NamedShifts]:
        """The shifts of a week as they are in the tables."""
        known = self._named.setdefault(week, {})
        missing = [region.region_id for region in regions if region.region_id not in known]
        if missing:
            known.update(read_named(self._connection, missing, week))
        return {region.region_id: known[region.region_id] for region in regions}

    def _remember(self, week: date, named: dict[int, NamedShifts]) -> None:
        self._named.setdefault(week, {}).update(named)
