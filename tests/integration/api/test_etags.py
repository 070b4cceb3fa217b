"""Tags of statistics: they hold until trips of the region change, and a client that has the answer gets 304."""

import anyio
import httpx
import pytest

from shifts_api.app import create_app
from shifts_api.routes import counting
from shifts_api.settings import ApiSettings
from tests.integration.api.pipeline import pipeline_of
from tests.integration.api.running import Service, posted, trip
from tests.integration.pipeline.harness import HEADER, row

WEEKLY = "/trips/weekly?region=Turin&bbox=7,45,8,46"
STATS = "/trips/stats?region=Turin&nortest=8,46&southest=7,45"


@pytest.fixture(autouse=True)
def _trips(client: httpx.Client) -> None:
    post(client, "Turin")
    post(client, "Milan")


def post(client: httpx.Client, region: str) -> None:
    assert client.post("/trips", json=posted(trip(region=region))).status_code == 201


def tag_of(client: httpx.Client, path: str) -> str:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")
    return answer.headers["ETag"]


def ask(client: httpx.Client, path: str, tag: str) -> httpx.Response:
    return client.get(path, headers={"If-None-Match": tag})


@pytest.mark.parametrize("path", [WEEKLY, STATS])
def test_a_client_that_has_the_answer_gets_304_until_trips_of_the_region_change(
    client: httpx.Client, path: str
) -> None:
    tag = tag_of(client, path)
    assert tag.startswith('W/"')
    post(client, "Milan")
    for named in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        known = ask(client, path, named)
        assert (known.status_code, known.content, known.headers["ETag"]) == (304, b"", tag)
        assert known.headers["Cache-Control"] == "no-cache"
    assert ask(client, path, '"other"').status_code == 200
    before = client.get(path).json()
    post(client, "Turin")
    changed = ask(client, path, tag)
    assert (changed.status_code, changed.headers["ETag"] != tag) == (200, True)
    assert changed.json() != before


def square(west: float) -> dict[str, object]:
    corners = [[west, 45.0], [west + 0.5, 45.0], [west + 0.5, 46.0], [west, 46.0], [west, 45.0]]
    return {"type": "Polygon", "coordinates": [corners]}


def test_a_zone_is_counted_as_its_polygon_until_it_changes(client: httpx.Client) -> None:
    zone = "/zones/centre?region=Turin"
    path = "/trips/weekly?region=Turin&zone=centre"
    unknown = client.get(path)
    assert (unknown.status_code, unknown.json()) == (
        404,
        {"message": "Zone centre not found in region Turin"},
    )
    everything = client.get(WEEKLY).json()["total_trips"]
    assert client.put(zone, json=square(7.5)).status_code == 201
    counted = client.get(path)
    assert (counted.json()["total_trips"], counted.json()["filter"]["zone"]) == (everything, "centre")
    tag = counted.headers["ETag"]
    # Stored again, it is the same; and another region's zone is another one.
    assert client.put(zone, json=square(7.5)).status_code == 200
    assert client.put("/zones/centre?region=Milan", json=square(9)).status_code == 201
    assert ask(client, path, tag).status_code == 304
    assert client.put(zone, json=square(9)).status_code == 200
    moved = ask(client, path, tag)
    assert (moved.status_code, moved.json()["total_trips"], moved.headers["ETag"] != tag) == (200, 0, True)
    # Without a zone of its own, the region uses the one that has no region.
    assert client.delete(zone).status_code == 200
    assert ask(client, path, tag).status_code == 404
    assert client.put("/zones/centre", json=square(7.5)).status_code == 201
    assert ask(client, path, tag).json()["total_trips"] == everything


def test_a_matrix_has_a_tag_for_each_form_until_a_zone_or_the_trips_change(client: httpx.Client) -> None:
    assert client.put("/zones/one?region=Turin", json=square(7.5)).status_code == 201
    path = "/trips/matrix?region=Turin&zones=one"
    as_json, as_csv = tag_of(client, path), tag_of(client, f"{path}&format=csv")
    accepted = {"Accept": "text/csv", "If-None-Match": as_json}
    assert client.get(path, headers=accepted).status_code == 200
    known = ask(client, path, as_json)
    assert (known.status_code, known.content, known.headers["Vary"]) == (304, b"", "Accept")
    assert ask(client, f"{path}&format=csv", as_csv).status_code == 304
    assert client.put("/zones/one?region=Turin", json=square(7.4)).status_code == 200
    changed = ask(client, path, as_json)
    assert changed.status_code == 200
    post(client, "Turin")
    assert ask(client, path, changed.headers["ETag"]).status_code == 200


def test_other_filters_and_regions_have_other_tags(client: httpx.Client) -> None:
    paths = [WEEKLY, STATS, f"{WEEKLY}&match=any", f"{WEEKLY}&weekdays=mon", WEEKLY.replace("Turin", "Milan")]
    assert len({tag_of(client, path) for path in paths}) == len(paths)


def test_a_tag_holds_after_a_restart_and_ends_when_a_file_is_replaced(
    client: httpx.Client, service: Service
) -> None:
    with pipeline_of(service) as pipeline:
        pipeline.put("a.csv", HEADER + row("Turin"))
        pipeline.load()
        pipeline.refresh()
        tag = tag_of(client, WEEKLY)
        service.stop()
        service.start()
        with httpx.Client(base_url=service.api, timeout=20) as again:
            assert ask(again, WEEKLY, tag).status_code == 304
            pipeline.put("a.csv", HEADER + row("Turin", "2018-06-11 08:00:00"))
            pipeline.load()
            assert ask(again, WEEKLY, tag).status_code == 200


def test_errors_have_no_tag_and_are_never_304(client: httpx.Client) -> None:
    for path in (
        "/trips/weekly?region=Nowhere&bbox=7,45,8,46",
        "/trips/weekly?region=Turin",
        f"{WEEKLY}&x=1",
    ):
        answer = ask(client, path, "*")
        assert (answer.status_code, "ETag" in answer.headers) == (400, False)


def test_nothing_is_counted_for_a_304(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ApiSettings(
        database_url=service.database_url,
        dagster_database_url=service.dagster_database_url,
        landing_url=str(service.landing),
    )

    async def run() -> list[int]:
        app = create_app(settings)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost/api/v1") as inside,
        ):
            tag = (await inside.get(WEEKLY)).headers["ETag"]
            monkeypatch.setattr(counting, "count_trips", None)
            return [
                (await inside.get(WEEKLY, headers={"If-None-Match": named})).status_code
                for named in (tag, '"other"')
            ]

    assert anyio.run(run) == [304, 500]
