"""Metres of the plane and of the ground."""

import numpy as np
import pytest

from shifts_core.clustering.projection import distances_m, to_plane, unwrapped
from tests.unit.core.clustering.scenarios import a_town, ground_m, on_the_map

MIDDLES = [(7.69, 45.07), (0.0, 0.0), (-179.999, -16.8), (15.63, 78.22), (-70.9, -53.16)]


@pytest.mark.parametrize("middle", MIDDLES)
def test_distances_are_those_of_the_sphere(middle: tuple[float, float]) -> None:
    ends = on_the_map(a_town(1)[0], middle)
    measured = distances_m(*ends.T)
    np.testing.assert_allclose(measured, ground_m(ends[:, :2], ends[:, 2:]), rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize("middle", MIDDLES)
def test_the_plane_is_true_to_half_a_percent_within_a_town(middle: tuple[float, float]) -> None:
    ends = on_the_map(a_town(2)[0], middle)
    plane = to_plane(ends)
    in_the_plane = np.hypot(plane[:, 0] - plane[:, 2], plane[:, 1] - plane[:, 3])
    np.testing.assert_allclose(in_the_plane, ground_m(ends[:, :2], ends[:, 2:]), rtol=0.005, atol=0.01)


def test_the_mean_of_longitudes_is_right_at_the_antimeridian() -> None:
    ends = np.array([[179.9, 0, -179.9, 0], [-179.7, 0, 179.7, 0]])
    around = unwrapped(ends)
    np.testing.assert_allclose(around[:, ::2].mean(axis=0) % 360, [180.1, 179.9])


def test_no_trips_have_no_places() -> None:
    assert to_plane(np.empty((0, 4))).shape == unwrapped(np.empty((0, 4))).shape == (0, 4)
