"""What maps are drawn from: the extent of a region, density pictures and the coverage of shifts."""

import io
from typing import Any

import httpx
import matplotlib.image
import numpy as np

from tests.integration.api.running import TRIP, posted, trip

TURIN = {"region": "Turin"}


def picture(client: httpx.Client, path: str, **headers: str) -> httpx.Response:
    return client.get(f"/trips/density/{path}", params=TURIN, headers=headers)


def opacity(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "image/png"
    return matplotlib.image.imread(io.BytesIO(answer.content), format="png")[..., 3]


def test_a_picture_shows_the_ends_of_trips_at_once(client: httpx.Client) -> None:
    assert client.post("/trips", json=posted(trip())).status_code == 201
    found = opacity(picture(client, "0/0/0"))
    assert found.shape == (512, 512)
    assert np.count_nonzero(found) == 1
    before = picture(client, "12/2135/1472")
    # Both ends of the trip are in this tile of zoom 12.
    assert np.count_nonzero(opacity(before)) == 2
    assert picture(client, "12/2135/1472", **{"If-None-Match": before.headers["ETag"]}).status_code == 304
    assert client.post("/trips", json=posted(trip(origin=[7.69, 45.06]))).status_code == 201
    after = picture(client, "12/2135/1472", **{"If-None-Match": before.headers["ETag"]})
    assert np.count_nonzero(opacity(after)) == 3


def test_tiles_outside_of_the_map_are_refused(client: httpx.Client) -> None:
    client.post("/trips", json=posted(trip()))
    assert picture(client, "1/2/0").status_code == 400
    assert picture(client, "17/0/0").status_code == 400
    assert client.get("/trips/density/0/0/0", params={"region": "Paris"}).json() == {
        "message": "Region Paris not found"
    }


def test_the_extent_holds_the_trips(client: httpx.Client) -> None:
    client.post("/trips", json=posted(trip()))
    found = client.get("/trips/extent", params=TURIN)
    west, south, east, north = found.json()["bbox"]
    assert west <= TRIP["destination"][0] <= TRIP["origin"][0] <= east
    assert south <= TRIP["destination"][1] <= TRIP["origin"][1] <= north
    again = client.get("/trips/extent", params=TURIN, headers={"If-None-Match": found.headers["ETag"]})
    assert again.status_code == 304


def test_without_shifts_there_is_no_coverage(client: httpx.Client) -> None:
    client.post("/trips", json=posted(trip()))
    assert client.get("/shifts/coverage", params=TURIN).json() == {
        "region": "Turin",
        "week": None,
        "history": [],
        "trips": 0,
        "points": [],
    }
    assert client.get("/shifts/coverage", params={"region": "Paris"}).status_code == 404
