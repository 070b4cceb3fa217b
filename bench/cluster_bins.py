"""The bins that clustering methods are compared on, as files, with the size of their neighbour lists."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.cluster_methods import Bin
from shifts_core.clustering.build_tree import build_in_place
from shifts_core.clustering.counting import count_neighbours
from shifts_core.clustering.kd_tree import DAY_S, SearchRadius
from shifts_core.clustering.parameters import DEFAULT_EPS_M
from shifts_core.clustering.projection import to_plane
from shifts_platform.generator.city import City
from shifts_platform.generator.trips import generate_trips

STACKED_TRIPS = 300_000
_SEED = 1
_TURIN = City("Turin", 7.6869, 45.0703, reach_m=4_500, weight=1)
_DEGREES_PER_METRE = 1 / 111_195
_STATIONS = 51
_START_S, _LENGTH_S = 8 * 3_600, 3_600
_SHARE_OF_BIN = 0.12
"""A little less than the share of a generated week's trips that start between 8 and 9."""


def generated_bin(folder: Path, trips: int) -> Bin:
    """Write trips of one generated city between 8 and 9 in one week."""
    od_coords, times = [], []
    for chunk in generate_trips(int(trips / _SHARE_OF_BIN), seed=_SEED, weeks=1, cities=(_TURIN,)):
        times_s = (chunk.moments - chunk.moments.astype("datetime64[D]")).astype(np.float64)
        inside = (times_s >= _START_S) & (times_s < _START_S + _LENGTH_S)
        od_coords.append(chunk.od_coords[inside])
        times.append(times_s[inside])
    return _write(
        folder,
        f"generated, {trips:,} trips",
        np.concatenate(od_coords)[:trips],
        np.concatenate(times)[:trips],
        trips,
    )


def stacked_bin(folder: Path) -> Bin:
    """Write trips with all origins within 100 m of each other, and all destinations."""
    rng = np.random.default_rng(_SEED)
    distance = 50 * np.sqrt(rng.random((STACKED_TRIPS, 2)))
    angle = rng.uniform(0, 2 * np.pi, (STACKED_TRIPS, 2))
    metres = np.stack([distance * np.cos(angle), distance * np.sin(angle)], axis=2).reshape(-1, 4)
    od_coords = [7.68, 45.07, 7.72, 45.09] + metres * _DEGREES_PER_METRE
    return _write(folder, f"stacked, {STACKED_TRIPS:,} trips", od_coords, _times(rng), STACKED_TRIPS)


def station_bin(folder: Path) -> Bin:
    """Write trips between 51 stations and 51 others."""
    rng = np.random.default_rng(_SEED)
    stations = rng.normal(0, _TURIN.reach_m * _DEGREES_PER_METRE, (2, _STATIONS, 2)) + np.array(
        [_TURIN.lon, _TURIN.lat]
    )
    od_coords = np.hstack([stations[end][rng.integers(0, _STATIONS, STACKED_TRIPS)] for end in (0, 1)])
    name = f"{_STATIONS} × {_STATIONS} stations, {STACKED_TRIPS:,} trips"
    return _write(folder, name, od_coords, _times(rng), STACKED_TRIPS)


def _times(rng: np.random.Generator) -> NDArray[np.float64]:
    return _START_S + _LENGTH_S * rng.random(STACKED_TRIPS)


def _write(
    folder: Path, name: str, od_coords: NDArray[np.float64], times_s: NDArray[np.float64], wanted: int
) -> Bin:
    if len(od_coords) != wanted:
        raise RuntimeError(f"{name}: only {len(od_coords):,} trips were generated")
    file = folder / f"bin_{len(list(folder.iterdir()))}.npz"
    np.savez(file, od_coords=od_coords, times_s=times_s)
    tree, _ = build_in_place(np.column_stack([to_plane(od_coords), times_s]), 0.3)
    radius = SearchRadius(DEFAULT_EPS_M, DAY_S, True)
    return Bin(name, wanted, file, int(count_neighbours(tree, radius, tree.alive).sum()))
