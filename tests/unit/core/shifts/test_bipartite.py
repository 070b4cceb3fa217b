"""Maximum matchings, against scipy."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from shifts_core.shifts.bipartite import NOBODY, maximum_matching


@pytest.mark.parametrize("seed", range(300))
def test_a_matching_is_valid_and_as_large_as_that_of_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(1, 60))
    allowed = rng.random((rows, rows)) < rng.choice([0.02, 0.05, 0.1, 0.4])
    if seed % 2:
        allowed &= np.triu(np.ones((rows, rows), np.bool_), 1)
    graph = csr_matrix(allowed)
    matched = maximum_matching(graph.indptr.astype(np.int64), graph.indices.astype(np.int32))
    has_partner = matched != NOBODY
    assert allowed[np.flatnonzero(has_partner), matched[has_partner]].all()
    assert len(set(matched[has_partner].tolist())) == has_partner.sum()
    assert has_partner.sum() == (maximum_bipartite_matching(graph) >= 0).sum()


def test_nobody_is_matched_without_rows() -> None:
    assert len(maximum_matching(np.zeros(1, np.int64), np.empty(0, np.int32))) == 0
