"""Makes the shifts of a region after a week from its trips, and names them after those of the weeks before."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from shifts_core.calendar import week_number
from shifts_core.shifts.coverage import Coverage
from shifts_core.shifts.making import make_shifts
from shifts_core.shifts.matching import EarlierShifts, NamedShifts, name_shifts
from shifts_core.shifts.places import NO_STOP, Walking, measure_walking, stops_at
from shifts_pipeline.storage.shifts.state import MakingOptions, RegionState
from shifts_pipeline.storage.shifts.trips import MakingTrips


@dataclass(frozen=True)
class Making:
    """The shifts of a region after a week, and the trips that each of them counts."""

    region: RegionState
    week: date
    trips: MakingTrips
    named: NamedShifts
    walking: Walking
    counted: Coverage
    """Rows of the trips of each shift, in the order of their ids."""

    def stop_labels(self) -> Iterator[tuple[str | None, str | None]]:
        """The labels of the stops of each shift at pickup and drop-off; None where it stops elsewhere."""
        stops = self.region.stops
        for pickup, dropoff in stops_at(self.named.shifts.places, stops.places).tolist():
            yield (
                None if pickup == NO_STOP else stops.labels[pickup],
                None if dropoff == NO_STOP else stops.labels[dropoff],
            )

    def trip_ids(self, shift: int) -> NDArray[np.int64]:
        """The trips of a shift, ascending."""
        return self.trips.trip_ids[
            self.counted.trips[self.counted.starts[shift] : self.counted.starts[shift + 1]]
        ]


def make(
    region: RegionState,
    week: date,
    trips: MakingTrips,
    earlier: Iterable[tuple[date, NamedShifts]],
    options: MakingOptions,
) -> Making:
    """Make the shifts of a week.

    Args:
        region: whose trips they are.
        week: the last week of the history.
        trips: the history.
        earlier: the makings of the weeks before, in order.
        options: how shifts are made.
    """
    made = make_shifts(
        trips.history, week_number(week), options.weeks, options.parameters, region.stops.places
    )
    order = np.lexsort((trips.trip_ids, made.assigned))
    shift_of = made.assigned[order]
    starts = np.searchsorted(shift_of, np.arange(len(made.shifts) + 1))
    counted = Coverage(starts - starts[0], order[starts[0] :])
    walking = measure_walking(made.shifts.places, counted, trips.history.od_coords)
    unnamed = NamedShifts(
        made.shifts, np.zeros(len(made.shifts), np.int64), made.shifts.first_week, [""] * len(made.shifts)
    )
    return Making(region, week, trips, name(region, week, unnamed, earlier, options), walking, counted)


def name(
    region: RegionState,
    week: date,
    named: NamedShifts,
    earlier: Iterable[tuple[date, NamedShifts]],
    options: MakingOptions,
) -> NamedShifts:
    """Name the shifts of a making, which may have other names, after the makings of the weeks before, in order."""
    known = EarlierShifts.none()
    for each, shifts in earlier:
        known = known.followed_by(shifts, week_number(each))
    return name_shifts(
        region.region,
        week_number(week),
        options.weeks,
        named.shifts,
        known,
        options.parameters.max_radius_m,
    )


def names_hash(named: NamedShifts) -> bytes:
    """Hash of what the ids of later makings follow from."""
    digest = hashlib.blake2b(digest_size=16)
    shifts = named.shifts
    for values in (named.ids, shifts.places, shifts.windows_s, shifts.runs_on, named.first_week):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.digest()
