"""Generated trips: exact in number, reproducible, and in flows that recur every week."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shifts_platform.generator.city import DEFAULT_CITIES, City
from shifts_platform.generator.trips import CHUNK_ROWS, NO_FLOW, TripChunk, generate_trips

FIRST = np.datetime64("2018-04-30")


@pytest.fixture(scope="module")
def trips() -> TripChunk:
    (chunk,) = generate_trips(60_000, seed=7)
    return chunk


def weeks_of(chunk: TripChunk) -> NDArray[np.int64]:
    return (chunk.moments - FIRST) // np.timedelta64(7, "D")


def second_of_day(chunk: TripChunk) -> NDArray[np.int64]:
    seconds: NDArray[np.int64] = (chunk.moments - chunk.moments.astype("datetime64[D]")).astype(np.int64)
    return seconds


def distances_m(
    chunk: TripChunk, points: NDArray[np.float64], others: NDArray[np.float64]
) -> NDArray[np.float64]:
    per_metre = np.array([city.per_metre for city in DEFAULT_CITIES])[chunk.region]
    metres: NDArray[np.float64] = np.hypot(*((points - others) * 1e6 / per_metre).T)
    return metres


@settings(max_examples=30)
@given(st.integers(0, 3_000), st.integers(0, 2**64), st.integers(1, 60))
def test_the_count_is_exact_and_every_trip_is_within_the_weeks(count: int, seed: int, weeks: int) -> None:
    chunks = list(generate_trips(count, seed=seed, weeks=weeks))
    assert sum(map(len, chunks)) == count
    for chunk in chunks:
        assert (weeks_of(chunk) >= 0).all()
        assert (weeks_of(chunk) < weeks).all()
        assert np.isfinite(chunk.od_coords).all()
        assert (chunk.region < len(chunk.regions)).all()
        assert (chunk.source < len(chunk.sources)).all()


def test_all_chunks_but_the_last_have_the_same_length() -> None:
    chunks = list(generate_trips(2 * CHUNK_ROWS + 5, seed=1))
    assert [len(chunk) for chunk in chunks] == [CHUNK_ROWS, CHUNK_ROWS, 5]
    assert [chunk.first_row for chunk in chunks] == [0, CHUNK_ROWS, 2 * CHUNK_ROWS]
    assert not np.array_equal(chunks[0].od_coords[:5], chunks[2].od_coords)


def test_half_of_the_trips_are_in_flows_and_weeks_have_equal_shares(trips: TripChunk) -> None:
    assert (trips.flow == NO_FLOW).sum() == 30_000
    per_week = np.bincount(weeks_of(trips))
    assert len(per_week) == 5
    assert per_week.max() - per_week.min() < 100


def test_trips_of_a_city_are_proportional_to_its_weight(trips: TripChunk) -> None:
    weights = np.array([city.weight for city in DEFAULT_CITIES])
    shares = np.bincount(trips.region) / len(trips)
    np.testing.assert_allclose(shares, weights / weights.sum(), atol=0.02)


def test_every_flow_has_twelve_trips_or_more_in_each_week(trips: TripChunk) -> None:
    planted = trips.flow != NO_FLOW
    flows = trips.flow[planted].max() + 1
    table = np.bincount(trips.flow[planted] * 5 + weeks_of(trips)[planted], minlength=5 * flows)
    assert flows > 200
    assert table.min() >= 12
    assert (np.ptp(table.reshape(flows, 5), axis=1) <= 1).all()


def test_the_trips_of_a_flow_are_close_at_both_ends_and_in_time(trips: TripChunk) -> None:
    planted = np.flatnonzero(trips.flow != NO_FLOW)
    members = np.bincount(trips.flow[planted])
    own = trips.flow[planted]
    for end in (trips.od_coords[:, :2], trips.od_coords[:, 2:]):
        centroid = np.stack([np.bincount(own, end[planted, axis]) / members for axis in (0, 1)], axis=1)
        distance = distances_m(trips, end, centroid[trips.flow])[planted]
        assert distance.max() < 500
        assert np.median(distance) < 100
    typical = np.bincount(own, second_of_day(trips)[planted]) / members
    late = np.abs(second_of_day(trips)[planted] - typical[own])
    assert (late < 30 * 60).mean() > 0.999
    assert all(len(set(trips.region[trips.flow == flow])) == 1 for flow in range(0, len(members), 10))


def test_flows_of_a_city_are_distinct_and_every_second_one_is_the_way_back(trips: TripChunk) -> None:
    flows = trips.flow.max() + 1
    medians = np.array([np.median(trips.od_coords[trips.flow == flow], axis=0) for flow in range(flows)])
    cities = np.array([trips.region[trips.flow == flow][0] for flow in range(flows)])
    np.testing.assert_allclose(medians[::2], medians[1::2][:, [2, 3, 0, 1]], atol=0.004)
    for number, city in enumerate(DEFAULT_CITIES):
        routes = medians[::2][cities[::2] == number] * 1e6 / np.tile(city.per_metre, 2)
        differences = routes[:, None] - routes
        separation = np.maximum(np.hypot(*differences[..., :2].T), np.hypot(*differences[..., 2:].T))
        np.fill_diagonal(separation, np.inf)
        assert separation.min() > 1_200


def test_most_commuters_travel_in_rush_hours_of_workdays_and_others_all_day(trips: TripChunk) -> None:
    planted = trips.flow != NO_FLOW
    hours = second_of_day(trips) / 3_600
    rush = ((hours >= 6.5) & (hours < 9.5)) | ((hours >= 15.5) & (hours < 18.5))
    weekend = (trips.moments.astype("datetime64[D]").astype(np.int64) + 3) % 7 >= 5
    assert rush[planted].mean() > 0.75
    assert rush[~planted].mean() < 0.45
    assert weekend[planted].mean() < 0.1
    assert 0.2 < weekend[~planted].mean() < 0.3
    assert (np.bincount(hours[~planted].astype(int), minlength=24) > 0).all()


def test_a_share_of_origins_and_destinations_have_the_coordinates_of_a_station(trips: TripChunk) -> None:
    for planted in (True, False):
        ends = trips.od_coords[(trips.flow != NO_FLOW) == planted]
        _, counts = np.unique(ends[:, :2], axis=0, return_counts=True)
        stacked = counts[counts >= 5].sum() / len(ends)
        assert (0.1 < stacked < 0.5) if planted else (0.03 < stacked < 0.1)


def test_coordinates_have_six_decimals(trips: TripChunk) -> None:
    micro = np.rint(trips.od_coords * 1e6)
    np.testing.assert_array_equal(trips.od_coords, micro / 1e6)


def test_other_cities_and_another_first_week_are_taken_as_given() -> None:
    sydney = City("Sydney", 151.2093, -33.8688, reach_m=6_000, weight=1)
    (chunk,) = generate_trips(2_000, seed=3, weeks=2, first_week=date(2020, 12, 28), cities=(sydney,))
    assert chunk.regions == ("Sydney",)
    np.testing.assert_allclose(np.median(chunk.od_coords, axis=0), [151.2093, -33.8688] * 2, atol=0.1)
    assert (
        chunk.moments.min() < np.datetime64("2020-12-29") < np.datetime64("2021-01-10") < chunk.moments.max()
    )
    assert chunk.moments.max() < np.datetime64("2021-01-11")


def test_a_small_city_gets_fewer_flows() -> None:
    village = City("Village", 10.0, 50.0, reach_m=1_200, weight=1)
    (chunk,) = generate_trips(50_000, seed=1, cities=(village,))
    assert 2 < chunk.flow.max() + 1 < 50_000 / 2 / 5 / 24 - 20
    assert (chunk.flow == NO_FLOW).sum() == 25_000


@pytest.mark.parametrize("seed", range(30))
def test_the_smallest_city_has_a_way_to_work_and_back(seed: int) -> None:
    hamlet = City("Hamlet", 10.0, 50.0, reach_m=0, weight=1)
    (chunk,) = generate_trips(100, seed=seed, cities=(hamlet,))
    assert set(chunk.flow) == {NO_FLOW, 0, 1}


@pytest.mark.parametrize(
    ("invalid", "message"),
    [
        ({"first_week": date(2018, 5, 1)}, "Monday"),
        ({"weeks": 0}, "out of range, 1 to 520"),
        ({"weeks": 521}, "out of range, 1 to 520"),
        ({"weeks": 2, "first_week": date(9999, 12, 20)}, "out of range, 1 to 1"),
        ({"seed": -1}, "seed"),
        ({"cities": ()}, "city"),
        ({"count": -1}, "out of range"),
        ({"count": 1 << 31}, "out of range"),
    ],
)
def test_invalid_arguments_are_rejected_before_the_first_chunk(
    invalid: dict[str, object], message: str
) -> None:
    arguments: dict[str, object] = {"count": 10, "seed": 1, **invalid}
    with pytest.raises(ValueError, match=message):
        generate_trips(**arguments)  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_trips_and_another_seed_others() -> None:
    first, again, other = (next(generate_trips(1_000, seed=seed)) for seed in (1, 1, 2))
    for name in ("region", "od_coords", "moments", "source", "flow"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.od_coords, other.od_coords)
