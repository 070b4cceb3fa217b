"""Core, border and noise are DBSCAN's: scikit-learn says the same, and all pairs say the same with time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN

from shifts_core.clustering.density import core_trips, dense_trips
from shifts_core.clustering.tree import grow
from tests.unit.core.clustering.scenarios import DAY_S, HOUR_S, a_town, neighbours

# Whole metres and seconds: who lies exactly on the border is near, for everybody who reckons.
_METRES = st.integers(-60, 60)


@st.composite
def places(draw: st.DrawFn) -> NDArray[np.float64]:
    """Both ends of trips: anywhere, on a few spots, in a line, or none."""
    kind = draw(st.sampled_from(["random", "stacked", "collinear", "empty"]))
    trips = 0 if kind == "empty" else draw(st.integers(1, 90))
    if kind == "collinear":
        steps = draw(arrays(np.int64, trips, elements=_METRES))
        direction = draw(arrays(np.int64, 4, elements=st.integers(-3, 3)))
        lined: NDArray[np.float64] = np.outer(steps, direction).astype(np.float64)
        return lined
    if kind == "stacked":
        spots = draw(arrays(np.int64, (draw(st.integers(1, 5)), 4), elements=_METRES))
        at = draw(arrays(np.int64, trips, elements=st.integers(0, len(spots) - 1)))
        stacked: NDArray[np.float64] = spots[at].astype(np.float64)
        return stacked
    return draw(arrays(np.int64, (trips, 4), elements=_METRES)).astype(np.float64)


def judged(
    metres: NDArray[np.float64], times: NDArray[np.float64], eps_m: float, eps_s: float, min_trips: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each trip is core, and whether it is dense."""
    tree, of_tree = grow(np.column_stack([metres, times]), 0.3)
    core, dense = np.empty(len(metres), np.bool_), np.empty(len(metres), np.bool_)
    core[of_tree] = core_trips(tree, float(eps_m), float(eps_s), min_trips)
    dense[of_tree] = dense_trips(tree, float(eps_m), float(eps_s), min_trips)
    return core, dense


def judged_by_scikit_learn(
    metres: NDArray[np.float64], eps_m: float, min_trips: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    core = np.zeros(len(metres), np.bool_)
    if not len(metres):
        return core, core
    found = DBSCAN(eps=eps_m, min_samples=min_trips).fit(metres)
    core[found.core_sample_indices_] = True
    return core, found.labels_ >= 0


@settings(max_examples=300, deadline=None)
@given(places(), st.integers(1, 80), st.integers(1, 9))
def test_at_one_time_of_day_core_trips_and_noise_are_those_of_scikit_learn(
    metres: NDArray[np.float64], eps_m: int, min_trips: int
) -> None:
    times = np.full(len(metres), 8 * HOUR_S)
    core, dense = judged(metres, times, eps_m, HOUR_S, min_trips)
    core_there, dense_there = judged_by_scikit_learn(metres, eps_m, min_trips)
    np.testing.assert_array_equal(core, core_there)
    np.testing.assert_array_equal(dense, dense_there)


@pytest.mark.parametrize(("seed", "eps_m"), [(1, 250.0), (2, 500.0), (3, 707.0)])
def test_a_town_of_thousands_is_judged_as_by_scikit_learn(seed: int, eps_m: float) -> None:
    metres, _ = a_town(seed, 6_000)
    core, dense = judged(metres, np.zeros(len(metres)), eps_m, HOUR_S, 5)
    core_there, dense_there = judged_by_scikit_learn(metres, eps_m, 5)
    assert 0.2 < core.mean() < 1
    np.testing.assert_array_equal(core, core_there)
    np.testing.assert_array_equal(dense, dense_there)


@settings(max_examples=300, deadline=None)
@given(places(), st.data(), st.integers(1, 80), st.integers(0, 43_200), st.integers(1, 9))
def test_neighbours_are_near_in_time_too_across_midnight(
    metres: NDArray[np.float64], data: st.DataObject, eps_m: int, eps_s: int, min_trips: int
) -> None:
    moments = st.integers(0, 86_399) | st.integers(-900, 900).map(lambda second: second % int(DAY_S))
    times = data.draw(arrays(np.int64, len(metres), elements=moments)).astype(np.float64)
    core, dense = judged(metres, times, eps_m, eps_s, min_trips)
    near = neighbours(metres, times, eps_m, eps_s)
    expected = near.sum(axis=1) >= min_trips
    np.testing.assert_array_equal(core, expected)
    np.testing.assert_array_equal(dense, expected | near[:, expected].any(axis=1))
