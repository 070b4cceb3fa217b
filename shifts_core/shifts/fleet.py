"""The least number of vehicles for the departures of a day, and what each one drives: a minimum path cover.

M. M. Vazifeh, P. Santi, G. Resta, S. H. Strogatz, C. Ratti, "Addressing the minimum fleet problem in on-demand urban
mobility", Nature 557, 2018. Departures are the nodes of a graph with an edge wherever one vehicle can serve both. A
maximum matching of departures with departures that follow them leaves the least number of chains (D. R. Fulkerson,
"Note on Dilworth's decomposition theorem for partially ordered sets", 1956).
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.projection import haversine_m
from shifts_core.shifts.bipartite import maximum_matching


@dataclass(frozen=True)
class Vehicles:
    """How vehicles drive.

    Raises:
        ValueError: a value is out of range.
    """

    capacity: int = 8
    """Riders of a vehicle."""
    speed_kmh: float = 25.0
    """Mean speed along the road."""
    detour: float = 1.3
    """Length of the road over the great-circle distance."""
    turnaround_s: float = 300.0
    """Least time between an arrival and the next way."""

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {self.capacity!r}")
        if not 0 < self.speed_kmh < np.inf:
            raise ValueError(f"speed_kmh must be more than 0, got {self.speed_kmh!r}")
        if not 1 <= self.detour < np.inf:
            raise ValueError(f"detour must be at least 1, got {self.detour!r}")
        if not 0 <= self.turnaround_s < np.inf:
            raise ValueError(f"turnaround_s must be at least 0, got {self.turnaround_s!r}")

    def driving_s(
        self, origins: NDArray[np.float64], destinations: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the seconds from origins to destinations, both shape (n, 2), degrees."""
        metres = haversine_m(*origins.T, *destinations.T)
        seconds: NDArray[np.float64] = metres * self.detour / (self.speed_kmh / 3.6)
        return seconds


@dataclass(frozen=True)
class Fleet:
    """The vehicles of a day."""

    rosters: list[list[int]]
    """For each vehicle the rows of the departures that it drives, in order of time; first those that begin first."""
    riders: list[list[int]]
    """Riders of these departures in this vehicle: at most its capacity."""


def minimum_fleet(
    places: NDArray[np.float64], departs_s: NDArray[np.float64], riders: NDArray[np.int64], vehicles: Vehicles
) -> Fleet:
    """Return the least number of vehicles that serve all departures of a day.

    A departure with more riders than a vehicle holds takes several, with the riders spread evenly; one with no riders
    takes one. A vehicle can serve a departure after another if it arrives, waits for the turnaround and drives to the
    next pickup until the departure. Vehicles begin and end anywhere.

    Args:
        places: shape (n, 4): longitude and latitude of pickup and drop-off, degrees.
        departs_s: shape (n,), seconds since midnight.
        riders: shape (n,), at least 0.
        vehicles: how vehicles drive.
    """
    needed = np.maximum(-(-riders // vehicles.capacity), 1)
    row = np.repeat(np.arange(len(riders)), needed)
    order = row[np.lexsort((row, *places[row].T, departs_s[row]))]
    ends = np.radians(places[order])
    free_s = (
        departs_s[order] + vehicles.driving_s(places[order, :2], places[order, 2:]) + vehicles.turnaround_s
    )
    seconds_per_radian = float(vehicles.driving_s(np.zeros((1, 2)), np.array([[0.0, 1.0]]))[0] * 180 / np.pi)
    follower = maximum_matching(*_followers(ends, departs_s[order], free_s, seconds_per_radian))
    chains = _chains(follower)
    part = np.arange(len(row)) - np.repeat(np.cumsum(needed) - needed, needed)
    shares = riders[row] // needed[row] + (part < riders[row] % needed[row])
    share_of = shares[np.lexsort((row, *places[row].T, departs_s[row]))]
    return Fleet([order[chain].tolist() for chain in chains], [share_of[chain].tolist() for chain in chains])


def _chains(follower: NDArray[np.int64]) -> list[list[int]]:
    """Return chains of departures, each followed by the next; follower -1 ends a chain."""
    is_first = np.ones(len(follower), np.bool_)
    is_first[follower[follower >= 0]] = False
    chains = []
    for first in np.flatnonzero(is_first).tolist():
        chain = [first]
        while follower[chain[-1]] >= 0:
            chain.append(int(follower[chain[-1]]))
        chains.append(chain)
    return chains


@numba.njit(cache=True, nogil=True)
def _followers(ends, departs_s, free_s, seconds_per_radian):  # type: ignore[no-untyped-def]
    """Return for each departure those that its vehicle can serve next, in order of time, as rows of a CSR matrix."""
    count = len(departs_s)
    starts = np.zeros(count + 1, np.int64)
    for fill in range(2):
        followers = np.empty(starts[count] if fill else 0, np.int32)
        edges = 0
        for departure in range(count):
            first = max(np.searchsorted(departs_s, free_s[departure]), departure + 1)
            for later in range(first, count):
                if (
                    free_s[departure] + _angle(ends, departure, later) * seconds_per_radian
                    <= departs_s[later]
                ):
                    if fill:
                        followers[edges] = later
                    edges += 1
            starts[departure + 1] = edges
    return starts, followers


@numba.njit(cache=True, nogil=True)
def _angle(ends, departure, later):  # type: ignore[no-untyped-def]
    """Return the angle from a departure's drop-off to a later one's pickup (haversine formula)."""
    across = np.sin((ends[departure, 3] - ends[later, 1]) / 2) ** 2
    along = np.sin((ends[departure, 2] - ends[later, 0]) / 2) ** 2
    return 2 * np.arcsin(np.sqrt(across + np.cos(ends[departure, 3]) * np.cos(ends[later, 1]) * along))
