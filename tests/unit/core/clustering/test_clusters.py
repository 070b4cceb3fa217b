"""Guarantees of every cluster on any trips: size, radius at both ends, time window, one cluster per trip."""

from dataclasses import dataclass
from typing import TypedDict

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shifts_core.clustering import assign, describe, grid, ground, ordering
from shifts_core.clustering import clusters as clusters_module
from shifts_core.clustering.clusters import find_clusters
from shifts_core.clustering.describe import Clusters
from shifts_core.clustering.parameters import DEFAULT_MAX_RADIUS_M, DEFAULT_MIN_TRIPS
from shifts_core.clustering.projection import to_plane
from tests.unit.core.clustering.scenarios import (
    DAY_S,
    HOUR_S,
    as_sets,
    great_circle_m,
    neighbour_matrix,
    random_town,
    to_degrees,
)


class Parameters(TypedDict):
    """Keyword arguments of `find_clusters`."""

    eps_m: float
    min_trips: int
    max_radius_m: float
    window_s: float


PARAMETERS = st.fixed_dictionaries(
    {
        "eps_m": st.sampled_from([100.0, 250.0, 500.0, 1_000.0]),
        "min_trips": st.integers(1, 12),
        "max_radius_m": st.sampled_from([50.0, 200.0, 500.0]),
        "window_s": st.sampled_from([600.0, 3_600.0, 4 * HOUR_S, 12 * HOUR_S]),
    }
)
CENTRES = st.sampled_from([(7.69, 45.07), (179.9999, -16.8), (15.63, 78.22), (0.0, 0.0)])


@dataclass(frozen=True)
class Result:
    """Trips and their clusters."""

    od_coords: NDArray[np.float64]
    times: NDArray[np.float64]
    parameters: Parameters
    clusters: Clusters


@st.composite
def clustered_towns(draw: st.DrawFn) -> Result:
    metres, times = random_town(draw(st.integers(0, 2**32)), draw(st.integers(0, 400)))
    od_coords = to_degrees(metres, draw(CENTRES))
    parameters: Parameters = draw(PARAMETERS)  # type: ignore[assignment]
    return Result(od_coords, times, parameters, find_clusters(od_coords, times, **parameters))


def assert_guarantees(
    od_coords: NDArray[np.float64],
    times: NDArray[np.float64],
    clusters: Clusters,
    min_trips: int,
    max_radius_m: float,
    window_s: float,
) -> None:
    assert clusters.labels.min(initial=-1) >= -1
    np.testing.assert_array_equal(
        np.bincount(clusters.labels[clusters.labels >= 0], minlength=len(clusters.sizes)), clusters.sizes
    )
    assert clusters.sizes.min(initial=min_trips) >= min_trips
    assert (np.diff(clusters.sizes) <= 0).all()
    for cluster in range(len(clusters.sizes)):
        members = clusters.labels == cluster
        assert_radius(
            od_coords[members], clusters.centroids[cluster], clusters.radii_m[cluster], max_radius_m
        )
        assert_window(times[members], clusters, cluster, window_s)


def assert_radius(
    od_coords: NDArray[np.float64], centroid: NDArray[np.float64], radius_m: float, max_radius_m: float
) -> None:
    farthest = 0.0
    for end in (slice(0, 2), slice(2, 4)):
        centroids = np.tile(centroid[end], (len(od_coords), 1))
        assert (np.abs(centroids) <= [180, 90]).all()
        offsets = (od_coords[:, end] - centroids + 180) % 360 - 180
        np.testing.assert_allclose(offsets.mean(axis=0), 0, atol=1e-9)
        farthest = max(farthest, great_circle_m(od_coords[:, end], centroids).max())
    assert farthest == pytest.approx(radius_m, rel=1e-6, abs=1e-3)
    assert farthest <= max_radius_m


def assert_window(times: NDArray[np.float64], clusters: Clusters, cluster: int, window_s: float) -> None:
    offsets = (times - clusters.earliest_s[cluster]) % DAY_S
    length = (clusters.latest_s[cluster] - clusters.earliest_s[cluster]) % DAY_S
    assert length <= window_s
    assert offsets.min() == 0
    assert offsets.max() == length
    typical = (clusters.typical_s[cluster] - clusters.earliest_s[cluster]) % DAY_S
    assert typical == pytest.approx(np.median(offsets))


@settings(max_examples=150, deadline=None)
@given(clustered_towns())
def test_every_cluster_keeps_its_guarantees(result: Result) -> None:
    parameters = result.parameters
    assert_guarantees(
        result.od_coords,
        result.times,
        result.clusters,
        parameters["min_trips"],
        parameters["max_radius_m"],
        parameters["window_s"],
    )


@settings(max_examples=60, deadline=None)
@given(clustered_towns())
def test_dbscan_noise_is_in_no_cluster(result: Result) -> None:
    parameters = result.parameters
    near = neighbour_matrix(
        to_plane(result.od_coords), result.times, parameters["eps_m"], parameters["window_s"]
    )
    core = near.sum(axis=1) >= parameters["min_trips"]
    noise = ~core & ~near[:, core].any(axis=1)
    assert (result.clusters.labels[noise] == -1).all()


@settings(max_examples=60, deadline=None)
@given(clustered_towns(), st.randoms(use_true_random=False))
def test_the_order_of_the_trips_does_not_change_the_clusters(result: Result, random: object) -> None:
    order = np.random.default_rng(random.getrandbits(32)).permutation(len(result.times))  # type: ignore[attr-defined]
    shuffled = find_clusters(result.od_coords[order], result.times[order], **result.parameters)
    labels = np.empty(len(order), np.int64)
    labels[order] = shuffled.labels
    # Trips that are equal in all features may replace each other.
    assert _contents(result, labels) == _contents(result, result.clusters.labels)
    np.testing.assert_array_equal(shuffled.centroids, result.clusters.centroids)
    np.testing.assert_array_equal(shuffled.radii_m, result.clusters.radii_m)


def _contents(result: Result, labels: NDArray[np.int64]) -> list[list[tuple[float, ...]]]:
    rows = np.column_stack([result.od_coords, result.times])
    return sorted(sorted(map(tuple, rows[sorted(cluster)].tolist())) for cluster in as_sets(labels))


def test_the_radius_holds_on_the_ground_in_a_region_as_wide_as_a_country() -> None:
    rng = np.random.default_rng(4)
    routes = rng.uniform(-150_000, 150_000, (12, 4))
    metres = routes[rng.integers(0, 12, 2_400)] + rng.normal(0, 300, (2_400, 4))
    od_coords = to_degrees(metres, (18.0, 66.0))
    times = rng.integers(8 * 3_600, 9 * 3_600, 2_400).astype(np.float64)
    clusters = find_clusters(od_coords, times)
    assert_guarantees(od_coords, times, clusters, DEFAULT_MIN_TRIPS, DEFAULT_MAX_RADIUS_M, HOUR_S)
    assert clusters.sizes.sum() > 1_200


@pytest.mark.parametrize("trips", [0, 1, 4])
def test_fewer_trips_than_min_trips_form_no_cluster(trips: int) -> None:
    clusters = find_clusters(np.zeros((trips, 4)), np.zeros(trips))
    assert clusters.labels.tolist() == [-1] * trips
    assert clusters.centroids.shape == (0, 4)


@settings(max_examples=40, deadline=None)
@given(clustered_towns(), st.integers(1, 5), st.sampled_from([1, 16, 100]))
def test_threads_and_sizes_of_tasks_do_not_change_the_clusters(
    result: Result, threads: int, size: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba.config, "NUMBA_NUM_THREADS", threads)
        for module in (assign, clusters_module, describe, grid, ground, ordering):
            patch.setattr(module, "_BATCH_SIZE", size)
        patch.setattr(grid, "_CELL_BATCH", size)
        patch.setattr(ordering, "_BUCKET_SIZE", size)
        again = find_clusters(result.od_coords, result.times, **result.parameters)
    for name, expected in vars(result.clusters).items():
        np.testing.assert_array_equal(getattr(again, name), expected)
