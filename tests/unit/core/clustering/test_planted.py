"""The generator's planted flows are found as groups, and trips that belong to none of them are left alone."""

import numpy as np
import pytest
from numpy.typing import NDArray

from shifts_core.clustering.clusters import Similarity, find_groups
from shifts_platform.generator.trips import DEFAULT_FIRST_WEEK, NOISE, generate_trips

_WEEK = np.timedelta64(7, "D")


def flows_and_groups(trips: int, seed: int, weeks: int) -> list[tuple[NDArray[np.int32], NDArray[np.int64]]]:
    """Planted flow and group of each trip, for all regions and weeks."""
    found = []
    (chunk,) = generate_trips(trips, seed=seed, weeks=weeks)
    week = (chunk.moments - np.datetime64(DEFAULT_FIRST_WEEK)) // _WEEK
    times = (chunk.moments - chunk.moments.astype("datetime64[D]")).astype(np.float64)
    for region in range(len(chunk.regions)):
        for number in range(weeks):
            mine = (chunk.region == region) & (week == number)
            groups = find_groups(chunk.ends[mine], times[mine], Similarity())
            found.append((chunk.flow[mine], groups.members))
    return found


def is_found(own: NDArray[np.int64], members: NDArray[np.int64]) -> bool:
    """Whether one group holds four fifths of a flow's trips, `own`, and little else."""
    counts = np.bincount(own[own >= 0], minlength=1)
    group = counts.argmax()
    return bool(counts[group] >= 0.8 * len(own) and counts[group] >= 0.8 * (members == group).sum())


@pytest.mark.parametrize(("trips", "seed", "weeks"), [(60_000, 7, 5), (60_000, 8, 2), (200_000, 9, 4)])
def test_nine_tenths_of_the_flows_are_groups_and_few_of_the_other_trips_are_in_any(
    trips: int, seed: int, weeks: int
) -> None:
    flows = found = noise = grouped = 0
    for flow, members in flows_and_groups(trips, seed, weeks):
        for number in np.unique(flow[flow != NOISE]).tolist():
            flows += 1
            found += is_found(members[flow == number], members)
        noise += int((flow == NOISE).sum())
        grouped += int((members[flow == NOISE] >= 0).sum())
    assert flows > 500
    assert found >= 0.9 * flows
    assert grouped <= 0.05 * noise
