"""What every group promises, whatever the trips: enough of them, near at both ends and in time, each trip once."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shifts_core.clustering.clusters import Groups, Similarity, find_groups
from shifts_core.clustering.projection import to_plane
from tests.unit.core.clustering.scenarios import (
    DAY_S,
    HOUR_S,
    a_town,
    as_sets,
    ground_m,
    neighbours,
    on_the_map,
)

SIMILARITIES = st.builds(
    Similarity,
    eps_m=st.sampled_from([100.0, 250.0, 500.0, 1_000.0]),
    min_trips=st.integers(1, 12),
    max_radius_m=st.sampled_from([50.0, 200.0, 500.0]),
    window_s=st.sampled_from([600.0, 3_600.0, 4 * HOUR_S, 12 * HOUR_S]),
)
MIDDLES = st.sampled_from([(7.69, 45.07), (179.9999, -16.8), (15.63, 78.22), (0.0, 0.0)])


@dataclass(frozen=True)
class Found:
    """Trips and their groups."""

    ends: NDArray[np.float64]
    times: NDArray[np.float64]
    similarity: Similarity
    groups: Groups


@st.composite
def grouped_towns(draw: st.DrawFn) -> Found:
    metres, times = a_town(draw(st.integers(0, 2**32)), draw(st.integers(0, 400)))
    ends = on_the_map(metres, draw(MIDDLES))
    similarity = draw(SIMILARITIES)
    return Found(ends, times, similarity, find_groups(ends, times, similarity))


def must_keep_their_promises(found: Found) -> None:
    groups, similarity = found.groups, found.similarity
    assert groups.members.min(initial=-1) >= -1
    np.testing.assert_array_equal(
        np.bincount(groups.members[groups.members >= 0], minlength=len(groups.sizes)), groups.sizes
    )
    assert groups.sizes.min(initial=similarity.min_trips) >= similarity.min_trips
    assert (np.diff(groups.sizes) <= 0).all()
    for group in range(len(groups.sizes)):
        mine = groups.members == group
        _must_be_near(
            found.ends[mine], groups.centroids[group], groups.radii_m[group], similarity.max_radius_m
        )
        _must_be_in_the_window(found.times[mine], groups, group, similarity.window_s)


def _must_be_near(
    ends: NDArray[np.float64], centroid: NDArray[np.float64], radius_m: float, max_radius_m: float
) -> None:
    farthest = 0.0
    for side in (slice(0, 2), slice(2, 4)):
        middle = np.tile(centroid[side], (len(ends), 1))
        assert (np.abs(middle) <= [180, 90]).all()
        around = (ends[:, side] - middle + 180) % 360 - 180
        np.testing.assert_allclose(around.mean(axis=0), 0, atol=1e-9)
        farthest = max(farthest, ground_m(ends[:, side], middle).max())
    assert farthest == pytest.approx(radius_m, rel=1e-6, abs=1e-3)
    assert farthest <= max_radius_m


def _must_be_in_the_window(times: NDArray[np.float64], groups: Groups, group: int, window_s: float) -> None:
    since = (times - groups.earliest_s[group]) % DAY_S
    length = (groups.latest_s[group] - groups.earliest_s[group]) % DAY_S
    assert length <= window_s
    assert since.min() == 0
    assert since.max() == length
    assert (groups.typical_s[group] - groups.earliest_s[group]) % DAY_S == pytest.approx(np.median(since))


@settings(max_examples=150, deadline=None)
@given(grouped_towns())
def test_every_group_keeps_its_promises(found: Found) -> None:
    must_keep_their_promises(found)


@settings(max_examples=60, deadline=None)
@given(grouped_towns())
def test_what_dbscan_calls_noise_is_in_no_group(found: Found) -> None:
    similarity = found.similarity
    near = neighbours(to_plane(found.ends), found.times, similarity.eps_m, similarity.window_s)
    core = near.sum(axis=1) >= similarity.min_trips
    noise = ~core & ~near[:, core].any(axis=1)
    assert (found.groups.members[noise] == -1).all()


@settings(max_examples=60, deadline=None)
@given(grouped_towns(), st.randoms(use_true_random=False))
def test_shuffled_trips_are_in_the_same_groups(found: Found, random: object) -> None:
    order = np.random.default_rng(random.getrandbits(32)).permutation(len(found.ends))  # type: ignore[attr-defined]
    again = find_groups(found.ends[order], found.times[order], found.similarity)
    members = np.empty(len(order), np.int64)
    members[order] = again.members
    # Trips that are equal in everything may stand in for each other.
    assert _contents(found, members) == _contents(found, found.groups.members)
    np.testing.assert_array_equal(again.centroids, found.groups.centroids)
    np.testing.assert_array_equal(again.radii_m, found.groups.radii_m)


def _contents(found: Found, members: NDArray[np.int64]) -> list[list[tuple[float, ...]]]:
    rows = np.column_stack([found.ends, found.times])
    return sorted(sorted(map(tuple, rows[sorted(group)].tolist())) for group in as_sets(members))


def test_a_region_as_wide_as_a_country_keeps_the_promise_on_the_ground() -> None:
    rng = np.random.default_rng(4)
    towns = rng.uniform(-150_000, 150_000, (12, 4))
    metres = towns[rng.integers(0, 12, 2_400)] + rng.normal(0, 300, (2_400, 4))
    ends, times = (
        on_the_map(metres, (18.0, 66.0)),
        rng.integers(8 * 3_600, 9 * 3_600, 2_400).astype(np.float64),
    )
    found = Found(ends, times, Similarity(), find_groups(ends, times, Similarity()))
    must_keep_their_promises(found)
    assert found.groups.sizes.sum() > 1_200


@pytest.mark.parametrize("trips", [0, 1, 4])
def test_fewer_trips_than_a_group_needs_are_in_none(trips: int) -> None:
    groups = find_groups(np.zeros((trips, 4)), np.zeros(trips), Similarity())
    assert groups.members.tolist() == [-1] * trips
    assert groups.centroids.shape == (0, 4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"eps_m": 0.0},
        {"eps_m": np.inf},
        {"max_radius_m": -1.0},
        {"max_radius_m": np.nan},
        {"min_trips": 0},
        {"window_s": 0.0},
        {"window_s": 12 * HOUR_S + 1},
    ],
)
def test_what_means_nothing_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must be more than|at least 1 trip"):
        Similarity(**wrong)  # type: ignore[arg-type]
