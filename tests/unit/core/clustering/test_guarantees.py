"""Clusters that break a guarantee are found, whatever is wrong with them, and sound ones are not."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shifts_core.clustering.guarantees import (
    CheckedClusters,
    CheckedMembers,
    CheckedTrips,
    Violations,
    find_violations,
)
from shifts_core.clustering.projection import haversine_m

MAX_RADIUS_M, MIN_TRIPS = 500.0, 2
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


def random_clusters(rng: np.random.Generator) -> tuple[CheckedTrips, CheckedClusters, CheckedMembers]:
    """Sound clusters of two pairs, some of whose windows cross midnight, and trips in none of them."""
    k = int(rng.integers(1, 8))
    sizes = rng.integers(MIN_TRIPS, 6, k)
    centroids = rng.uniform(40, 41, (k, 4))
    pair_of_cluster, typical = rng.integers(1, 3, k), rng.integers(0, DAY_US, k)
    cluster = np.repeat(np.arange(k), sizes)
    n = len(cluster)
    alone = int(rng.integers(0, 4))
    ends = np.vstack([centroids[cluster] + rng.uniform(-1e-3, 1e-3, (n, 4)), rng.uniform(40, 41, (alone, 4))])
    clocks = (typical[cluster] + rng.integers(-HOUR_US, HOUR_US, n)) % DAY_US
    shuffled = rng.permutation(n + alone)
    ids = rng.choice(1_000, n + alone, replace=False)
    trips = CheckedTrips(
        np.concatenate([pair_of_cluster[cluster], rng.integers(1, 3, alone)])[shuffled],
        ids[shuffled],
        np.concatenate([clocks, rng.integers(0, DAY_US, alone)])[shuffled],
        ends[shuffled],
    )
    radii = np.zeros(k)
    for at in range(2):
        lon, lat = 2 * at, 2 * at + 1
        np.maximum.at(
            radii,
            cluster,
            haversine_m(ends[:n, lon], ends[:n, lat], centroids[cluster, lon], centroids[cluster, lat]),
        )
    window = (typical - HOUR_US) % DAY_US, (typical + HOUR_US) % DAY_US
    order = rng.permutation(n)
    rows = CheckedClusters(pair_of_cluster, sizes.copy(), radii, *window, centroids)
    return trips, rows, CheckedMembers(cluster[order], ids[:n][order])


def tamper(
    what: str, at: int, trips: CheckedTrips, rows: CheckedClusters, members: CheckedMembers
) -> tuple[int, CheckedTrips, CheckedMembers]:
    """Breaks the cluster of one member; returns its place."""
    member = at % len(members.ids)
    cluster = int(members.clusters[member])
    trip = int(np.flatnonzero(trips.ids == members.ids[member])[0])
    if what == "radius":
        rows.radii_m[cluster] -= 1
    elif what == "maximum":
        rows.radii_m[cluster] = MAX_RADIUS_M + 0.1
    elif what == "no number":
        rows.radii_m[cluster] = np.nan
    elif what == "place":
        trips.ends[trip, at % 4] += 0.02
    elif what == "clock":
        trips.clocks_us[trip] = (rows.latest_us[cluster] + 1) % DAY_US
    elif what == "pair":
        trips.pairs[trip] = 3
    elif what == "missing":
        trips.ids[trip] = 2_000
    elif what == "number":
        rows.trips[cluster] += 1
    elif what == "twice":
        members = CheckedMembers(
            np.append(members.clusters, cluster), np.append(members.ids, members.ids[member])
        )
        rows.trips[cluster] += 1
    else:
        keep = np.flatnonzero((members.clusters != cluster) | (np.arange(len(members.ids)) == member))
        members = CheckedMembers(members.clusters[keep], members.ids[keep])
        rows.trips[cluster] = 1
    return cluster, trips, members


WHATS = ["radius", "maximum", "no number", "place", "clock", "pair", "missing", "number", "twice", "too few"]


@given(st.integers(0, 2**32), st.sampled_from([None, *WHATS]), st.integers(0, 1_000))
def test_exactly_the_cluster_that_was_tampered_with_is_found(seed: int, what: str | None, at: int) -> None:
    trips, rows, members = random_clusters(np.random.default_rng(seed))
    expected = Violations(np.zeros(len(rows.trips), np.bool_), np.zeros(len(rows.trips), np.bool_))
    if what is not None:
        cluster, trips, members = tamper(what, at, trips, rows, members)
        is_wide = what in ("radius", "maximum", "no number", "place")
        (expected.too_wide if is_wide else expected.wrong_members)[cluster] = True
    found = find_violations(trips, rows, members, MAX_RADIUS_M, MIN_TRIPS)
    assert found.too_wide.tolist() == expected.too_wide.tolist()
    assert found.wrong_members.tolist() == expected.wrong_members.tolist()


def test_a_trip_in_two_clusters_is_found_in_both() -> None:
    place = np.array([[7.0, 45.0, 7.1, 45.1]])
    trips = CheckedTrips(np.ones(3, np.int64), np.array([5, 6, 7]), np.zeros(3, np.int64), place.repeat(3, 0))
    rows = CheckedClusters(
        np.ones(2, np.int64),
        np.array([2, 2]),
        np.zeros(2),
        np.zeros(2, np.int64),
        np.zeros(2, np.int64),
        place.repeat(2, 0),
    )
    members = CheckedMembers(np.array([0, 0, 1, 1]), np.array([5, 6, 6, 7]))
    assert find_violations(trips, rows, members, MAX_RADIUS_M, MIN_TRIPS).wrong_members.tolist() == [
        True,
        True,
    ]


def test_clusters_without_any_trips_are_found() -> None:
    nothing = CheckedTrips(
        np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 4))
    )
    rows = CheckedClusters(
        np.ones(1, np.int64),
        np.array([2]),
        np.zeros(1),
        np.zeros(1, np.int64),
        np.zeros(1, np.int64),
        np.zeros((1, 4)),
    )
    members = CheckedMembers(np.zeros(2, np.int64), np.array([1, 2]))
    assert find_violations(nothing, rows, members, MAX_RADIUS_M, MIN_TRIPS).wrong_members.tolist() == [True]
