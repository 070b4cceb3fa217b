"""Maps of the Dagster UI show all flows and trips at their places, whatever these are."""

import re
from urllib.parse import unquote
from xml.etree import ElementTree

import dagster as dg
import numpy as np
import pytest

from shifts_core.clustering.projection import haversine_m
from shifts_pipeline.assets.plots import flows_map, trips_map

_PATH = "{http://www.w3.org/2000/svg}path"


def paths(picture: dg.MarkdownMetadataValue) -> list[str]:
    """What the lines of a picture are drawn by."""
    address = re.fullmatch(r"!\[[a-z ]+\]\(data:image/svg\+xml,([^\s()]+)\)", str(picture.value))
    assert address is not None
    return [element.attrib["d"] for element in ElementTree.fromstring(unquote(address[1])).iter(_PATH)]


def points(path: str) -> np.ndarray:
    """The places that a path names absolutely; shape (n, 2), pixels."""
    return np.array(re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path), float)


def test_each_flow_is_an_arrow_from_its_origin_to_its_destination_true_to_scale() -> None:
    rng = np.random.default_rng(1)
    ends = np.tile([7.6, 60.0], 2) + rng.normal(0, 0.03, (40, 4))
    *arrows, origins, destinations, scale = paths(flows_map(ends, rng.integers(5, 90, 40), "flows"))
    begins = np.array([points(arrow)[0] for arrow in arrows])
    tips = np.array([points(arrow)[1] for arrow in arrows])
    assert begins.tolist() == points(origins).tolist()
    assert tips.tolist() == points(destinations).tolist()
    metres = haversine_m(ends[:, 0], ends[:, 1], ends[:, 2], ends[:, 3])
    per_pixel = metres / np.hypot(*(tips - begins).T)
    assert per_pixel == pytest.approx(np.median(per_pixel), rel=0.02)
    length = re.fullmatch(r"M0 \d+h(\d+)", scale)
    assert length is not None
    assert float(length[1]) * np.median(per_pixel) == pytest.approx(2_000, rel=0.02)


@pytest.mark.parametrize(
    "ends",
    [np.empty((0, 4)), np.zeros((1, 4)), np.full((3, 4), 180.0) * [1, 0.5, -1, -0.5], np.full((2, 4), 90.0)],
)
def test_any_trips_have_a_map(ends: np.ndarray) -> None:
    assert len(paths(flows_map(ends, np.ones(len(ends), np.int64), "flows"))) == len(ends) + 3
    assert len(paths(trips_map(ends, "trips"))) == 3
