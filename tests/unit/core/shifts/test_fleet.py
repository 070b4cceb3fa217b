"""The least number of vehicles, against a search through all ways to share them."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from shifts_core.shifts.fleet import Vehicles, minimum_fleet
from tests.unit.core.clustering.scenarios import great_circle_m, to_degrees

VEHICLES = Vehicles(capacity=4, speed_kmh=30, detour=1.25, turnaround_s=120)


def can_follow(
    places: NDArray[np.float64], departs_s: NDArray[np.float64], vehicles: Vehicles
) -> NDArray[np.bool_]:
    """Return (n, n): whether the vehicle of a departure can serve another one next."""
    metres_per_s = vehicles.speed_kmh / 3.6 / vehicles.detour
    count = len(places)
    ride_s = great_circle_m(places[:, :2], places[:, 2:]) / metres_per_s
    drop, pick = np.repeat(places[:, 2:], count, axis=0), np.tile(places[:, :2], (count, 1))
    empty_s = great_circle_m(drop, pick).reshape(count, count) / metres_per_s
    ready_s = departs_s[:, None] + ride_s[:, None] + vehicles.turnaround_s + empty_s
    follows: NDArray[np.bool_] = ready_s <= departs_s
    return follows


def least_vehicles(follows: NDArray[np.bool_], order: list[int]) -> int:
    """Return the least number of chains: every departure, in order of time, goes on with any chain or begins one."""
    fewest: dict[frozenset[int], int] = {frozenset(): 0}
    for departure in order:
        after: dict[frozenset[int], int] = {}
        for ends, count in fewest.items():
            grown = ends | {departure}
            after[grown] = min(after.get(grown, count + 1), count + 1)
            for end in ends:
                if follows[end, departure]:
                    moved = grown - {end}
                    after[moved] = min(after.get(moved, count), count)
        fewest = after
    return min(fewest.values())


@pytest.mark.parametrize("seed", range(500))
def test_the_fleet_of_a_small_day_is_the_least(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, 8))
    places = to_degrees(rng.uniform(-4_000, 4_000, (count, 4)))
    departs_s = 21_600.0 + 60 * rng.integers(0, rng.choice([30, 90, 240]), count).astype(np.float64)
    riders = rng.integers(0, 7, count)
    fleet = minimum_fleet(places, departs_s, riders, VEHICLES)
    copies = np.repeat(np.arange(count), np.maximum(-(-riders // 4), 1))
    follows = can_follow(places[copies], departs_s[copies], VEHICLES)
    assert len(fleet.rosters) == (
        least_vehicles(follows, np.argsort(departs_s[copies], kind="stable").tolist()) if count else 0
    )
    follows = can_follow(places, departs_s, VEHICLES)
    carried = np.zeros(count, np.int64)
    for roster, on_board in zip(fleet.rosters, fleet.riders, strict=True):
        assert all(follows[one, other] for one, other in itertools.pairwise(roster))
        assert max(on_board) <= 4
        np.add.at(carried, roster, on_board)
    assert carried.tolist() == riders.tolist()
    assert sorted(itertools.chain(*fleet.rosters)) == copies.tolist()


def test_the_order_of_departures_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    places, departs_s = (
        to_degrees(rng.uniform(-9_000, 9_000, (300, 4))),
        60 * rng.integers(0, 1_440, 300).astype(np.float64),
    )
    riders = rng.integers(1, 12, 300)
    shuffled = rng.permutation(300)
    fleet = minimum_fleet(places, departs_s, riders, VEHICLES)
    again = minimum_fleet(places[shuffled], departs_s[shuffled], riders[shuffled], VEHICLES)
    assert [shuffled[roster].tolist() for roster in again.rosters] == fleet.rosters
    assert again.riders == fleet.riders


def test_a_vehicle_can_leave_at_the_very_moment_it_is_ready() -> None:
    places = to_degrees(np.array([[0.0, 0, 0, 0], [0.0, 0, 0, 0]]))
    vehicles = Vehicles(capacity=8, turnaround_s=300)
    riders = np.array([1, 1])
    assert len(minimum_fleet(places, np.array([0.0, 300.0]), riders, vehicles).rosters) == 1
    assert len(minimum_fleet(places, np.array([0.0, 299.0]), riders, vehicles).rosters) == 2
    assert len(minimum_fleet(places, np.zeros(2), riders, Vehicles(turnaround_s=0)).rosters) == 1


@pytest.mark.parametrize(
    "values",
    [{"capacity": 0}, {"speed_kmh": 0.0}, {"detour": 0.9}, {"turnaround_s": -1.0}, {"speed_kmh": np.inf}],
)
def test_vehicles_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Vehicles(**values)  # type: ignore[arg-type]
