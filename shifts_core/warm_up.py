"""Compiles all numba functions before their first use; `python -m shifts_core.warm_up` runs at installation."""

from concurrent.futures import ProcessPoolExecutor
from datetime import date

import numpy as np

from shifts_core.cells.generalise import generalise
from shifts_core.clustering.clusters import find_clusters
from shifts_core.clustering.identity import cluster_ids
from shifts_core.clustering.members import members_by_cluster
from shifts_core.shifts.coverage import Coverage
from shifts_core.shifts.fleet import Vehicles, minimum_fleet
from shifts_core.shifts.history import TripHistory
from shifts_core.shifts.making import make_shifts
from shifts_core.shifts.parameters import ShiftParameters
from shifts_core.shifts.places import measure_walking
from shifts_core.tiles.warm_up import compile_building, compile_counting
from shifts_core.trips import read_csv, read_parquet


def main() -> None:
    """Runs everything once, in two processes; numba caches code beside its source.

    The processes compile no function in common: numba does not lock its cache.
    """
    with ProcessPoolExecutor(2) as processes:
        for part in [processes.submit(_compile_tiles), processes.submit(_compile_the_rest)]:
            part.result()


def _compile_tiles() -> None:
    compile_counting()
    compile_building()


def _compile_the_rest() -> None:
    """Parsers, cells, clustering and shifts."""
    read_csv.load_compiled()
    read_parquet.load_compiled()
    random = np.random.default_rng(0)
    routes = random.uniform(0.0, 0.5, (20, 4))
    generalise(routes, np.zeros(20, np.uint16), np.zeros(20, np.int64), 2)
    od_coords = np.repeat(routes, 40, axis=0) + random.normal(0.0, 0.002, (800, 4))
    moments = random.integers(0, 86_400_000_000, 800)
    found = find_clusters(od_coords, moments / 1e6, np.arange(800))
    cluster_ids("", date(2018, 1, 1), found.labels, od_coords, moments)
    members_by_cluster(found.labels, np.arange(800), len(found.sizes))
    history, _ = TripHistory.of(od_coords, moments / 1e6, np.arange(800) % 14)
    parameters = ShiftParameters(window_minutes=720, min_riders=1)
    make_shifts(history, week=1, weeks=2, parameters=parameters, stops=routes[:, :2])
    everyone = Coverage(np.array([0, 800]), np.arange(800, dtype=np.int32))
    measure_walking(routes[:1], everyone, od_coords)
    minimum_fleet(od_coords, moments / 1e6, np.ones(800, np.int64), Vehicles())


if __name__ == "__main__":
    main()
