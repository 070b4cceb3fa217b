"""Ids: made of what a group's trips are, so that they stay while these stay."""

from datetime import date

import numpy as np
import pytest
from numpy.typing import NDArray

from shifts_core.clustering.identity import cluster_ids
from tests.unit.core.clustering.scenarios import a_town, on_the_map

WEEK = date(2018, 5, 28)
METRES, TIMES = a_town(5, 60)
ENDS, MOMENTS = on_the_map(METRES), TIMES.astype(np.int64) * 1_000_000
MEMBERS = np.repeat([-1, 0, 1, 2], 15)


def ids(
    members: NDArray[np.int64] = MEMBERS,
    order: NDArray[np.int64] | None = None,
    region: str = "Turin",
    week: date = WEEK,
) -> list[int]:
    order = np.arange(len(members)) if order is None else order
    found: list[int] = cluster_ids(region, week, members[order], ENDS[order], MOMENTS[order]).tolist()
    return found


def test_the_order_of_the_trips_does_not_matter() -> None:
    assert ids() == ids(order=np.random.default_rng(1).permutation(60))


def test_another_trip_in_a_group_changes_the_id_of_this_group_only() -> None:
    joined = MEMBERS.copy()
    joined[0] = 1
    (a, b, c), (same_a, other_b, same_c) = ids(), ids(joined)
    assert (a, c) == (same_a, same_c)
    assert b != other_b


def test_the_same_trips_in_another_region_or_week_are_another_group() -> None:
    assert not set(ids()) & set(ids(region="Prague"))
    assert not set(ids()) & set(ids(week=date(2018, 6, 4)))


@pytest.mark.parametrize("week", [date(1970, 1, 5), WEEK, date(9999, 12, 20)])
def test_an_id_carries_its_week_and_fits_into_64_bits_with_a_sign(week: date) -> None:
    for id_ in ids(week=week):
        assert id_ >> 40 == (week - date(1970, 1, 5)).days // 7
        assert 0 <= id_ < 1 << 63


def test_groups_of_equal_trips_are_told_apart() -> None:
    twice = np.repeat([0, 1], 5)
    ends, moments = np.tile(ENDS[:1], (10, 1)), np.zeros(10, np.int64)
    first, second = cluster_ids("Turin", WEEK, twice, ends, moments).tolist()
    assert first != second


def test_without_groups_there_are_no_ids() -> None:
    assert ids(np.full(60, -1)) == []
