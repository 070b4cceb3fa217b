"""Core, border and noise samples are those of scikit-learn's DBSCAN, and of all pairs of trips where time counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN

from shifts_core.clustering.dbscan import classify
from tests.unit.core.clustering.scenarios import DAY_S, HOUR_S, neighbour_matrix, random_town

# Whole metres and seconds: a distance of exactly eps is exact in every implementation.
_METRES = st.integers(-60, 60)


@st.composite
def od_metres(draw: st.DrawFn) -> NDArray[np.float64]:
    """Both ends of trips: anywhere, on a few points, on a line, or no trips."""
    kind = draw(st.sampled_from(["random", "stacked", "collinear", "empty"]))
    trips = 0 if kind == "empty" else draw(st.integers(1, 90))
    if kind == "collinear":
        steps = draw(arrays(np.int64, trips, elements=_METRES))
        direction = draw(arrays(np.int64, 4, elements=st.integers(-3, 3)))
        line: NDArray[np.float64] = np.outer(steps, direction).astype(np.float64)
        return line
    if kind == "stacked":
        points = draw(arrays(np.int64, (draw(st.integers(1, 5)), 4), elements=_METRES))
        at = draw(arrays(np.int64, trips, elements=st.integers(0, len(points) - 1)))
        stacked: NDArray[np.float64] = points[at].astype(np.float64)
        return stacked
    return draw(arrays(np.int64, (trips, 4), elements=_METRES)).astype(np.float64)


def classify_trips(
    metres: NDArray[np.float64], times: NDArray[np.float64], eps_m: float, eps_s: float, min_trips: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return masks of the core samples and of the trips that are not noise."""
    return classify(np.column_stack([metres, times]), float(eps_m), float(eps_s), min_trips)


def classify_with_scikit_learn(
    metres: NDArray[np.float64], eps_m: float, min_trips: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the same masks from scikit-learn, which ignores time."""
    core = np.zeros(len(metres), np.bool_)
    if not len(metres):
        return core, core
    dbscan = DBSCAN(eps=eps_m, min_samples=min_trips).fit(metres)
    core[dbscan.core_sample_indices_] = True
    return core, dbscan.labels_ >= 0


def assert_equal_to_scikit_learn(
    metres: NDArray[np.float64], times: NDArray[np.float64], eps_m: float, min_trips: int
) -> None:
    core, not_noise = classify_trips(metres, times, eps_m, HOUR_S, min_trips)
    expected_core, expected_not_noise = classify_with_scikit_learn(metres, eps_m, min_trips)
    np.testing.assert_array_equal(core, expected_core)
    np.testing.assert_array_equal(not_noise, expected_not_noise)
    np.testing.assert_array_equal(not_noise & ~core, expected_not_noise & ~expected_core)


@settings(max_examples=300, deadline=None)
@given(od_metres(), st.integers(1, 80), st.integers(1, 9))
def test_core_border_and_noise_at_one_time_of_day_are_those_of_scikit_learn(
    metres: NDArray[np.float64], eps_m: int, min_trips: int
) -> None:
    assert_equal_to_scikit_learn(metres, np.full(len(metres), 8 * HOUR_S), eps_m, min_trips)


@pytest.mark.parametrize(("seed", "eps_m"), [(1, 250.0), (2, 500.0), (3, 707.0)])
def test_thousands_of_trips_are_classified_as_by_scikit_learn(seed: int, eps_m: float) -> None:
    metres, _ = random_town(seed, 6_000)
    times = np.random.default_rng(seed).uniform(8 * HOUR_S, 9 * HOUR_S, len(metres))
    assert 0.2 < classify_trips(metres, times, eps_m, HOUR_S, 5)[0].mean() < 1
    assert_equal_to_scikit_learn(metres, times, eps_m, 5)


@settings(max_examples=300, deadline=None)
@given(od_metres(), st.data(), st.integers(1, 80), st.integers(0, 43_200), st.integers(1, 9))
def test_neighbours_are_also_close_in_time_across_midnight(
    metres: NDArray[np.float64], data: st.DataObject, eps_m: int, eps_s: int, min_trips: int
) -> None:
    moments = st.integers(0, 86_399) | st.integers(-900, 900).map(lambda second: second % int(DAY_S))
    times = data.draw(arrays(np.int64, len(metres), elements=moments)).astype(np.float64)
    core, not_noise = classify_trips(metres, times, eps_m, eps_s, min_trips)
    near = neighbour_matrix(metres, times, eps_m, eps_s)
    expected = near.sum(axis=1) >= min_trips
    np.testing.assert_array_equal(core, expected)
    np.testing.assert_array_equal(not_noise, expected | near[:, expected].any(axis=1))
