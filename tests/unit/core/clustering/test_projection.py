"""Metres in the plane and on the ground."""

import numpy as np
import pytest

from shifts_core.clustering.projection import haversine_m, to_plane, unwrap_longitudes
from tests.unit.core.clustering.scenarios import great_circle_m, random_town, to_degrees

CENTRES = [(7.69, 45.07), (0.0, 0.0), (-179.999, -16.8), (15.63, 78.22), (-70.9, -53.16)]


@pytest.mark.parametrize("centre", CENTRES)
def test_distances_are_those_of_the_sphere(centre: tuple[float, float]) -> None:
    od_coords = to_degrees(random_town(1)[0], centre)
    expected = great_circle_m(od_coords[:, :2], od_coords[:, 2:])
    np.testing.assert_allclose(haversine_m(*od_coords.T), expected, rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize("centre", CENTRES)
def test_the_plane_is_off_by_half_a_percent_at_most_within_a_town(centre: tuple[float, float]) -> None:
    od_coords = to_degrees(random_town(2)[0], centre)
    plane = to_plane(od_coords)
    lengths = np.hypot(plane[:, 0] - plane[:, 2], plane[:, 1] - plane[:, 3])
    expected = great_circle_m(od_coords[:, :2], od_coords[:, 2:])
    np.testing.assert_allclose(lengths, expected, rtol=0.005, atol=0.01)


def test_the_mean_of_longitudes_is_right_at_the_antimeridian() -> None:
    unwrapped = unwrap_longitudes(np.array([[179.9, 0, -179.9, 0], [-179.7, 0, 179.7, 0]]))
    np.testing.assert_allclose(unwrapped[:, ::2].mean(axis=0) % 360, [180.1, 179.9])


def test_no_trips_have_no_coordinates() -> None:
    empty = np.empty((0, 4))
    assert to_plane(empty).shape == unwrap_longitudes(empty).shape == (0, 4)
