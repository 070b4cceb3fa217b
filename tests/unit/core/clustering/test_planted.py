"""The generator's planted flows are found as clusters, and few other trips are in any cluster."""

import numpy as np
import pytest
from numpy.typing import NDArray

from shifts_core.clustering.clusters import find_clusters
from shifts_platform.generator.trips import DEFAULT_FIRST_WEEK, NO_FLOW, generate_trips

_WEEK = np.timedelta64(7, "D")


def flows_and_labels(trips: int, seed: int, weeks: int) -> list[tuple[NDArray[np.int32], NDArray[np.int64]]]:
    """Return planted flow and cluster of each trip, for all regions and weeks."""
    pairs = []
    (chunk,) = generate_trips(trips, seed=seed, weeks=weeks)
    week = (chunk.moments - np.datetime64(DEFAULT_FIRST_WEEK)) // _WEEK
    times = (chunk.moments - chunk.moments.astype("datetime64[D]")).astype(np.float64)
    for region in range(len(chunk.regions)):
        for number in range(weeks):
            own = (chunk.region == region) & (week == number)
            pairs.append((chunk.flow[own], find_clusters(chunk.od_coords[own], times[own]).labels))
    return pairs


def is_found(own: NDArray[np.int64], labels: NDArray[np.int64]) -> bool:
    """Return whether one cluster has 80 % of a flow's trips, whose labels are `own`, and consists of them to 80 %."""
    counts = np.bincount(own[own >= 0], minlength=1)
    cluster = counts.argmax()
    return bool(counts[cluster] >= 0.8 * len(own) and counts[cluster] >= 0.8 * (labels == cluster).sum())


@pytest.mark.parametrize(("trips", "seed", "weeks"), [(60_000, 7, 5), (60_000, 8, 2), (200_000, 9, 4)])
def test_90_percent_of_flows_are_clusters_and_at_most_5_percent_of_other_trips_are_in_any(
    trips: int, seed: int, weeks: int
) -> None:
    flows = found = others = clustered_others = 0
    for flow, labels in flows_and_labels(trips, seed, weeks):
        for number in np.unique(flow[flow != NO_FLOW]).tolist():
            flows += 1
            found += is_found(labels[flow == number], labels)
        others += int((flow == NO_FLOW).sum())
        clustered_others += int((labels[flow == NO_FLOW] >= 0).sum())
    assert flows > 500
    assert found >= 0.9 * flows
    assert clustered_others <= 0.05 * others
