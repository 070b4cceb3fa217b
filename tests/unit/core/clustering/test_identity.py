"""Cluster ids depend on the trips of a cluster only, and stay the same as long as these do."""

from datetime import date

import numpy as np
import pytest
from numpy.typing import NDArray

from shifts_core.clustering.identity import cluster_ids
from tests.unit.core.clustering.scenarios import random_town, to_degrees

WEEK = date(2018, 5, 28)
METRES, TIMES = random_town(5, 60)
OD_COORDS, MOMENTS = to_degrees(METRES), TIMES.astype(np.int64) * 1_000_000
LABELS = np.repeat([-1, 0, 1, 2], 15)


def ids(
    labels: NDArray[np.int64] = LABELS,
    order: NDArray[np.int64] | None = None,
    region: str = "Turin",
    week: date = WEEK,
) -> list[int]:
    order = np.arange(len(labels)) if order is None else order
    found: list[int] = cluster_ids(region, week, labels[order], OD_COORDS[order], MOMENTS[order]).tolist()
    return found


def test_the_order_of_the_trips_does_not_change_the_ids() -> None:
    assert ids() == ids(order=np.random.default_rng(1).permutation(60))


def test_one_more_trip_changes_the_id_of_its_cluster_only() -> None:
    joined = LABELS.copy()
    joined[0] = 1
    (a, b, c), (same_a, other_b, same_c) = ids(), ids(joined)
    assert (a, c) == (same_a, same_c)
    assert b != other_b


def test_the_same_trips_in_another_region_or_week_have_another_id() -> None:
    assert not set(ids()) & set(ids(region="Prague"))
    assert not set(ids()) & set(ids(week=date(2018, 6, 4)))


@pytest.mark.parametrize("week", [date(1970, 1, 5), WEEK, date(9999, 12, 20)])
def test_an_id_contains_its_week_and_fits_into_a_signed_64_bit_integer(week: date) -> None:
    for id_ in ids(week=week):
        assert id_ >> 40 == (week - date(1970, 1, 5)).days // 7
        assert 0 <= id_ < 1 << 63


def test_clusters_of_equal_trips_have_different_ids() -> None:
    two_clusters = np.repeat([0, 1], 5)
    od_coords, moments = np.tile(OD_COORDS[:1], (10, 1)), np.zeros(10, np.int64)
    first, second = cluster_ids("Turin", WEEK, two_clusters, od_coords, moments).tolist()
    assert first != second


def test_no_clusters_have_no_ids() -> None:
    assert ids(np.full(60, -1)) == []
