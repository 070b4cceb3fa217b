"""The trips of each cluster, side by side."""

from itertools import pairwise
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shifts_core.clustering.members import members_by_cluster


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.integers(-1, 5), max_size=40), st.randoms(use_true_random=False))
def test_every_labelled_trip_is_with_its_cluster_once_in_rising_order(
    labels: list[int], random: Random
) -> None:
    trip_ids = list(range(100, 100 + len(labels)))
    random.shuffle(trip_ids)
    ids, bounds = members_by_cluster(np.array(labels, np.int64), np.array(trip_ids, np.int64), 6)
    found = [ids[begin:end].tolist() for begin, end in pairwise(bounds.tolist())]
    assert found == [
        sorted(id_ for id_, label in zip(trip_ids, labels, strict=True) if label == cluster)
        for cluster in range(6)
    ]
