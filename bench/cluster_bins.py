"""The bins that ways of grouping are compared on, as files; and how large the lists of neighbours in one are."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.cluster_ways import Bin
from shifts_core.clustering.clusters import Similarity
from shifts_core.clustering.density import counts_near
from shifts_core.clustering.projection import to_plane
from shifts_core.clustering.tree import DAY_S, Near, grow
from shifts_platform.generator.city import City
from shifts_platform.generator.trips import generate_trips

STACKED_TRIPS = 300_000
_SEED = 1
_TURIN = City("Turin", 7.6869, 45.0703, reach_m=4_500, weight=1)
_DEGREES_A_METRE = 1 / 111_195
_STATIONS = 51
_BEGIN_S, _BIN_S = 8 * 3_600, 3_600
_SHARE_OF_BIN = 0.12
"""A little less than the share of a generated week's trips that start from 8 to 9."""


def generated_bin(folder: Path, trips: int) -> Bin:
    """Trips of one generated city from 8 to 9 in one week."""
    ends, times = [], []
    for chunk in generate_trips(int(trips / _SHARE_OF_BIN), seed=_SEED, weeks=1, cities=(_TURIN,)):
        times_s = (chunk.moments - chunk.moments.astype("datetime64[D]")).astype(np.float64)
        inside = (times_s >= _BEGIN_S) & (times_s < _BEGIN_S + _BIN_S)
        ends.append(chunk.ends[inside])
        times.append(times_s[inside])
    return _written(
        folder,
        f"generated, {trips:,} trips",
        np.concatenate(ends)[:trips],
        np.concatenate(times)[:trips],
        trips,
    )


def stacked_bin(folder: Path) -> Bin:
    """All origins within 100 m of each other, and all destinations."""
    rng = np.random.default_rng(_SEED)
    away = 50 * np.sqrt(rng.random((STACKED_TRIPS, 2)))
    angle = rng.uniform(0, 2 * np.pi, (STACKED_TRIPS, 2))
    metres = np.stack([away * np.cos(angle), away * np.sin(angle)], axis=2).reshape(-1, 4)
    ends = [7.68, 45.07, 7.72, 45.09] + metres * _DEGREES_A_METRE
    return _written(folder, f"stacked, {STACKED_TRIPS:,} trips", ends, _times(rng), STACKED_TRIPS)


def station_bin(folder: Path) -> Bin:
    """All trips between 51 stations and 51 others."""
    rng = np.random.default_rng(_SEED)
    spots = rng.normal(0, _TURIN.reach_m * _DEGREES_A_METRE, (2, _STATIONS, 2)) + np.array(
        [_TURIN.lon, _TURIN.lat]
    )
    ends = np.hstack([spots[side][rng.integers(0, _STATIONS, STACKED_TRIPS)] for side in (0, 1)])
    name = f"{_STATIONS} × {_STATIONS} stations, {STACKED_TRIPS:,} trips"
    return _written(folder, name, ends, _times(rng), STACKED_TRIPS)


def _times(rng: np.random.Generator) -> NDArray[np.float64]:
    return _BEGIN_S + _BIN_S * rng.random(STACKED_TRIPS)


def _written(
    folder: Path, name: str, ends: NDArray[np.float64], times_s: NDArray[np.float64], wanted: int
) -> Bin:
    if len(ends) != wanted:
        raise RuntimeError(f"{name}: {len(ends):,} trips were made")
    file = folder / f"bin_{len(list(folder.iterdir()))}.npz"
    np.savez(file, ends=ends, times_s=times_s)
    tree, _ = grow(np.column_stack([to_plane(ends), times_s]), 0.3)
    near = Near(Similarity().eps_m, DAY_S, True)
    return Bin(name, wanted, file, int(counts_near(tree, near, tree.there).sum()))
