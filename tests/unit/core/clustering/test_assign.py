"""Leftovers that clusters choose at the same time."""

import numpy as np

from shifts_core.clustering.assign import _choose_batch, _take_batch, assign_leftovers
from shifts_core.clustering.build_tree import build_in_place
from shifts_core.clustering.kd_tree import SearchRadius, with_alive
from shifts_core.clustering.linked_members import list_members

RADIUS_M, WINDOW_S, EIGHT_S = 500.0, 3_600.0, 8 * 3_600.0


def test_clusters_that_choose_at_once_get_what_they_get_one_after_the_other() -> None:
    rng = np.random.default_rng(1)
    metres = rng.normal(0, 400, (2_000, 4))
    tree, _ = build_in_place(np.column_stack([metres, EIGHT_S + rng.uniform(0, WINDOW_S, 2_000)]), 1.0)
    labels = np.full(2_000, -1, np.int32)
    # Sixty clusters of five trips that lie side by side in the tree, so that many leftovers fit into several.
    for cluster in range(60):
        labels[cluster * 33 : cluster * 33 + 5] = cluster
    members = list_members(labels, 60, 5)
    leftovers = with_alive(tree, labels < 0)
    one_by_one, expected = with_alive(tree, labels < 0), list_members(labels, 60, 5)
    radius = SearchRadius(RADIUS_M, WINDOW_S, False)

    chosen, _ = _choose_batch(leftovers, members, radius, 0, 60)
    assert len(np.unique(chosen)) < len(chosen), "no trip is chosen twice, so the test shows nothing"
    for cluster in range(60):
        _take_batch(
            one_by_one,
            expected,
            radius,
            cluster,
            *_choose_batch(one_by_one, expected, radius, cluster, cluster + 1),
        )
    assign_leftovers(leftovers, members, 60, RADIUS_M, WINDOW_S)

    for name, values in members._asdict().items():
        np.testing.assert_array_equal(values, getattr(expected, name), err_msg=name)
    np.testing.assert_array_equal(leftovers.alive, one_by_one.alive)
    np.testing.assert_array_equal(leftovers.alive, members.labels < 0)
