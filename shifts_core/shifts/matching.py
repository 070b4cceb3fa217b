"""Ids that last: a shift keeps its id from one week's making to the next while it overlaps enough with its old self.

Two shifts overlap enough if their pickups are within the radius of each other, their drop-offs too, if their windows
share at least half of the shorter one, and if they share at least half of the weekdays of the one with fewer. Of all
such pairs the one with the largest overlap is matched first, then the largest among the rest; equal ones in the order
of their ids and ranks. The result is one to one and depends on content only.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtr

from shifts_core.calendar import monday_of_week
from shifts_core.clustering.projection import haversine_m
from shifts_core.ids import NUMBER_BITS, first_id
from shifts_core.shifts.history import DAY_S
from shifts_core.shifts.making import Shifts
from shifts_core.shifts.trip_index import covered_trips, index_trips

NEW, CONTINUING, ENDING = "new", "continuing", "ending"

_ENOUGH = 0.5
"""Least share of the shorter window, and of the fewer weekdays."""
_UNLIKELY = 0.01
"""A shift ends if a steady one would have as few riders in a week with less than this probability."""


@dataclass(frozen=True)
class EarlierShifts:
    """Shifts of earlier makings, one row an id: as they were when last made."""

    ids: NDArray[np.int64]
    """Shape (m,)."""
    places: NDArray[np.float64]
    """Shape (m, 4), degrees."""
    windows_s: NDArray[np.float64]
    """Shape (m, 2)."""
    runs_on: NDArray[np.bool_]
    """Shape (m, 7)."""
    first_week: NDArray[np.int64]
    """Shape (m,): number of the first week in which the shift ran."""
    last_made: NDArray[np.int64]
    """Shape (m,): week number of the making in which it was last."""

    @classmethod
    def none(cls) -> "EarlierShifts":
        """Return no shifts, as before the first making."""
        count, week = np.empty(0, np.int64), np.empty(0, np.int64)
        return cls(count, np.empty((0, 4)), np.empty((0, 2)), np.empty((0, 7), np.bool_), week, week)

    def followed_by(self, named: "NamedShifts", week: int) -> "EarlierShifts":
        """Return these shifts after the making of a week."""
        stays = ~np.isin(self.ids, named.ids)
        made = named.shifts
        now = (
            named.ids,
            made.places,
            made.windows_s,
            made.runs_on,
            named.first_week,
            np.full(len(made), week),
        )
        return EarlierShifts(
            *(np.concatenate([old[stays], new]) for old, new in zip(vars(self).values(), now, strict=True))
        )

    def made_in(self, first: int, last: int) -> "EarlierShifts":
        """Return the shifts that were last made in these weeks."""
        chosen = (first <= self.last_made) & (self.last_made <= last)
        return EarlierShifts(*(values[chosen] for values in vars(self).values()))


@dataclass(frozen=True)
class NamedShifts:
    """Shifts with what they have from their earlier selves."""

    shifts: Shifts
    ids: NDArray[np.int64]
    """Shape (k,): the week of the first making from bit 40 up, below it a hash of what the shift was then."""
    first_week: NDArray[np.int64]
    """Shape (k,): number of the first week in which the shift ran, however long ago."""
    status: list[str]
    """`new`, `continuing` or `ending`, one a shift."""


def name_shifts(
    region: str, week: int, weeks: int, shifts: Shifts, earlier: EarlierShifts, max_radius_m: float
) -> NamedShifts:
    """Give shifts of a making their ids.

    Ids follow from all makings up to this one in the order of their weeks: when trips of an old week arrive late, its
    making and all later ones are named again, from the old week on.

    Args:
        region: name of the region.
        week: number of the last week of the history.
        weeks: length of the history: shifts that were last made longer ago have lost their id.
        shifts: shifts of the making.
        earlier: shifts of other makings, one row an id; those of this week and of later ones are not looked at.
        max_radius_m: how far a place may move in a week, metres.
    """
    earlier = earlier.made_in(week - weeks, week - 1)
    old = match(shifts, earlier, max_radius_m)
    is_matched = old >= 0
    ids = _content_ids(region, week, shifts)
    ids[is_matched] = earlier.ids[old[is_matched]]
    first_week = shifts.first_week.copy()
    first_week[is_matched] = np.minimum(first_week[is_matched], earlier.first_week[old[is_matched]])
    status = np.where(is_matched, CONTINUING, NEW)
    status[is_ending(shifts)] = ENDING
    return NamedShifts(shifts, ids, first_week, status.tolist())


def match(shifts: Shifts, earlier: EarlierShifts, max_radius_m: float) -> NDArray[np.int64]:
    """Return the row of each shift's earlier self, shape (k,), or -1."""
    matched = np.full(len(shifts), -1, np.int64)
    if not len(shifts) or not len(earlier.ids):
        return matched
    new, old, overlap = _overlaps(shifts, earlier, max_radius_m)
    taken = np.zeros(len(earlier.ids), np.bool_)
    for pair in np.lexsort((new, earlier.ids[old], -overlap)).tolist():
        if matched[new[pair]] < 0 and not taken[old[pair]]:
            matched[new[pair]] = old[pair]
            taken[old[pair]] = True
    return matched


def is_ending(shifts: Shifts) -> NDArray[np.bool_]:
    """Return whether each shift had far fewer riders in the last week than before, shape (k,).

    A shift with none ends; one with some ends if a Poisson variable with the expected mean is that small in less than
    one of a hundred weeks. A week with no data on its weekdays ends no shift.
    """
    expected = shifts.riders * shifts.last_departures
    at_most = pdtr(shifts.last_riders, expected)
    ending: NDArray[np.bool_] = (shifts.last_departures > 0) & (
        (shifts.last_riders == 0) | (at_most < _UNLIKELY)
    )
    return ending


def _overlaps(
    shifts: Shifts, earlier: EarlierShifts, max_radius_m: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return pairs of rows that overlap enough, and their overlap from 0 to 1."""
    new_row, old_row = _near(shifts, earlier, max_radius_m)
    moved_m = np.column_stack(
        [
            haversine_m(*shifts.places[new_row, end : end + 2].T, *earlier.places[old_row, end : end + 2].T)
            for end in (0, 2)
        ]
    )
    window, old_window = shifts.windows_s[new_row], earlier.windows_s[old_row]
    # A minute is the shortest a window is meant to be: those of a single moment overlap with themselves, too.
    shared_s = np.minimum(window[:, 1], old_window[:, 1]) - np.maximum(window[:, 0], old_window[:, 0]) + 60
    shorter_s = np.minimum(window[:, 1] - window[:, 0], old_window[:, 1] - old_window[:, 0]) + 60
    runs, ran = shifts.runs_on[new_row], earlier.runs_on[old_row]
    shared_days, fewer = (runs & ran).sum(axis=1), np.minimum(runs.sum(axis=1), ran.sum(axis=1))
    enough = (moved_m <= max_radius_m).all(axis=1)
    enough &= (shared_s >= _ENOUGH * shorter_s) & (shared_days >= _ENOUGH * fewer) & (shared_days > 0)
    longer_s = np.maximum(window[:, 1] - window[:, 0], old_window[:, 1] - old_window[:, 0]) + 60
    overlap = (1 - moved_m / (2 * max_radius_m)).prod(axis=1) * (shared_s / longer_s)
    overlap *= shared_days / np.maximum((runs | ran).sum(axis=1), 1)
    return new_row[enough], old_row[enough], overlap[enough]


def _near(
    shifts: Shifts, earlier: EarlierShifts, max_radius_m: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of rows with places within the radius of each other, and without those that share no time."""
    starts_s = np.ascontiguousarray(earlier.windows_s[:, 0])
    longest_s = (earlier.windows_s[:, 1] - starts_s).max()
    from_s = np.maximum(shifts.windows_s[:, 0] - longest_s - 60, 0.0)
    to_s = np.minimum(shifts.windows_s[:, 1] + 60, DAY_S - 1)
    near = covered_trips(
        index_trips(earlier.places, starts_s, max_radius_m),
        shifts.places,
        np.column_stack([from_s, to_s]),
        max_radius_m,
    )
    return np.repeat(np.arange(len(shifts)), np.diff(near.starts)), near.trips.astype(np.int64)


def _content_ids(region: str, week: int, shifts: Shifts) -> NDArray[np.int64]:
    """Return ids of shifts that have no earlier self, shape (k,)."""
    base, prefix = first_id(monday_of_week(week)), f"{region}\0".encode()
    content = np.column_stack([shifts.places, shifts.windows_s, shifts.runs_on @ (1 << np.arange(7))]).astype(
        ">f8"
    )
    numbers: dict[int, None] = {}
    for row in content:
        digest = hashlib.blake2b(prefix + row.tobytes(), digest_size=8).digest()
        number = int.from_bytes(digest, "big") >> (64 - NUMBER_BITS)
        while number in numbers:
            number = (number + 1) % (1 << NUMBER_BITS)
        numbers[number] = None
    return np.array([base | number for number in numbers], np.int64)
