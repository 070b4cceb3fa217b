"""Who may see what: every path, the feed, its replay and the WebSocket, with every key, compared with a table."""

import json
from itertools import islice, takewhile
from typing import Any

import httpx
import psycopg
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.integration.api.access_table import OPEN, TABLE, WHO, Call
from tests.integration.api.access_world import LATITUDES, RAW, RIGHTS, SOURCE, World
from tests.integration.api.running import publish, read_events, wait_until

STRANGERS = {"nobody": "127.0.0.2", "revoked": "127.0.0.9", "wrong": "127.0.0.10"}
"""Who has no key in force. Each has an address of their own: their failures must not block others."""
FILES = {"turin.csv", "milan.csv", "both.csv", "failed.csv"}
REASON = "the reason of a failure, which may quote a row"
METHODS = {"get", "post", "put", "delete", "patch", "head", "options", "trace"}


def _send(world: World, who: str, place: str, call: Call) -> httpx.Response:
    method, _, path = place.partition(" ")
    url = (path + call.url if call.url[:1] in ("", "?") else call.url).format(**world.ids)
    content: dict[str, Any] = dict(call.content)
    headers = world.headers(who)
    if place == "POST /api/v1/session":
        content["json"], headers = {"key": world.keys.get(who, "none")}, {}
    transport = httpx.HTTPTransport(local_address=STRANGERS.get(who))
    with (
        httpx.Client(transport=transport, timeout=20) as client,
        client.stream(method, world.service.root + url, headers=headers, **content) as answer,
    ):
        if answer.headers["Content-Type"].startswith("text/event-stream"):
            next(answer.iter_raw())
        else:
            answer.read()
        return answer


def test_the_table_has_every_path_of_the_document(world: World) -> None:
    paths = httpx.get(f"{world.service.root}/openapi.json").json()["paths"]
    documented = {
        f"{method.upper()} {path}" for path, each in paths.items() for method in each.keys() & METHODS
    }
    assert documented == TABLE.keys() | OPEN


@pytest.mark.parametrize("place", TABLE)
def test_each_key_gets_what_the_table_says(world: World, place: str) -> None:
    for call in TABLE[place]:
        statuses = {who: _send(world, who, place, call).status_code for who in WHO}
        assert statuses == call.statuses, (place, call.url)


@pytest.mark.parametrize("place", TABLE)
def test_without_a_key_in_force_every_path_is_closed(world: World, place: str) -> None:
    for who in STRANGERS:
        answer = _send(world, who, place, TABLE[place][0])
        # Many wrong keys are limited.
        assert answer.status_code in ((401, 429) if who == "wrong" else (401,)), (place, who)
        assert list(answer.json()) == ["message"]


@pytest.mark.parametrize(
    "path", ["/api/v1", "/api/v1/", "/api/v1/none", "/api/v1/files/../files", "/api/v1//files"]
)
def test_paths_without_a_route_are_closed_too(world: World, path: str) -> None:
    assert httpx.get(world.service.root + path).status_code == 401
    assert httpx.options(world.service.root + path).status_code == 401


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/health"])
def test_the_page_needs_no_key(world: World, path: str) -> None:
    assert httpx.get(world.service.root + path, follow_redirects=True).status_code == 200


@pytest.mark.parametrize("who", [who for who, rights in RIGHTS.items() if rights.is_limited])
def test_no_answer_shows_what_a_limited_key_may_not_see(world: World, who: str) -> None:
    rights = RIGHTS[who]
    hidden = [region for region in LATITUDES if not rights.allows(region)]
    secrets = [*hidden, *(str(LATITUDES[region])[:7] for region in hidden)]
    if rights.aggregates_only:
        secrets += [SOURCE, RAW]
    for place, calls in TABLE.items():
        for call in calls:
            if place.startswith("GET") and place != "GET /api/v1/events" and call.statuses[who] == 200:
                text = _send(world, who, place, call).text
                assert not [secret for secret in secrets if secret in text], (place, call.url)


@pytest.mark.parametrize(
    ("who", "regions", "zones", "files"),
    [
        (
            "reader",
            {"Turin", "Milan"},
            {"old_town", "navigli"},
            FILES,
        ),
        (
            "aggregates",
            {"Turin", "Milan"},
            {"old_town", "navigli"},
            FILES,
        ),
        ("reader of Turin", {"Turin"}, {"old_town"}, {"turin.csv"}),
        ("aggregates of Turin", {"Turin"}, {"old_town"}, {"turin.csv"}),
        ("reader of Milan", {"Milan"}, {"navigli"}, {"milan.csv"}),
    ],
)
def test_lists_hold_what_the_key_may_see_and_nothing_else(
    world: World, who: str, regions: set[str], zones: set[str], files: set[str]
) -> None:
    assert {each["region"] for each in world.get(who, "/regions").json()["regions"]} == regions
    named = {each["properties"]["name"] for each in world.get(who, "/zones").json()["features"]}
    assert named & {"old_town", "navigli", "everywhere"} == zones | {"everywhere"}
    listed = world.get(who, "/files", limit=1000).json()["files"]
    assert {each["name"] for each in listed if each["name"].endswith(".csv")} - {
        "uploaded.csv",
        "again.csv",
    } == files


def _publish_marks(outbox: psycopg.Connection) -> None:
    """Events of each region, of both and of none, and a failure."""
    regions: list[tuple[str, list[str] | None]] = [
        ("one", ["Milan"]),
        ("two", ["Turin"]),
        ("both", ["Turin", "Milan"]),
        ("none", None),
        ("empty", []),
        ("end", ["Milan"]),
        ("end", ["Turin"]),
    ]
    for message, named in regions:
        publish(outbox, "file.loaded", message=message, details={} if named is None else {"regions": named})
    publish(outbox, "file.failed", message=REASON)


def _seen(who: str) -> list[str]:
    """The messages of the marks that a key may see."""
    regions = RIGHTS[who].regions
    if regions is None:
        reason = "" if RIGHTS[who].aggregates_only else REASON
        return ["one", "two", "both", "none", "empty", "end", "end", reason]
    return ["two" if "Turin" in regions else "one", "end"]


@pytest.mark.parametrize("who", RIGHTS)
def test_the_feed_and_its_replay_deliver_what_the_key_may_see(
    world: World, outbox: psycopg.Connection, who: str
) -> None:
    headers = {**world.headers(who), "Last-Event-ID": "0"}
    types = {"types": "file.loaded,file.failed"}
    with httpx.stream(
        "GET", f"{world.service.api}/events", params=types, headers=headers, timeout=20
    ) as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith(":")
        events = read_events(lines)
        start = f"{who} begins"
        for region in LATITUDES:
            publish(outbox, "file.loaded", message=start, details={"regions": [region]})
        replayed = [*takewhile(lambda event: event.data.get("message") != start, events)]
        _publish_marks(outbox)
        marks = (event for event in events if event.data.get("message") != start)
        live = [event.data.get("message", "") for event in islice(marks, len(_seen(who)))]
    assert live == _seen(who)
    files = {event.data["partition"] for event in replayed if event.data.get("file_id")}
    regions = RIGHTS[who].regions
    assert files == (FILES if regions is None else {f"{region.lower()}.csv" for region in regions})
    reasons = [event.data.get("message") for event in replayed if event.type == "file.failed"]
    assert bool(reasons) is (regions is None)
    assert {reason is None for reason in reasons} <= {RIGHTS[who].aggregates_only}


def _socket(world: World, who: str) -> Any:
    url = f"ws://127.0.0.1:{world.service.port}/api/v1/trips/live"
    return connect(url, additional_headers=world.headers(who))


@pytest.mark.parametrize("who", RIGHTS)
def test_the_websocket_delivers_what_the_key_may_see(
    world: World, outbox: psycopg.Connection, who: str
) -> None:
    with _socket(world, who) as socket:
        wait_until(lambda: world.service.metric("shifts_feed_clients") == 1, 10)
        _publish_marks(outbox)
        messages: list[str] = []
        while len(messages) < len(_seen(who)):
            message = json.loads(socket.recv(timeout=20))
            if message["type"] == "notification":
                messages.append(json.loads(message["data"])["message"])
    wait_until(lambda: world.service.metric("shifts_feed_clients") == 0, 10)
    assert messages == _seen(who)


@pytest.mark.parametrize("who", ["nobody", "revoked"])
def test_the_websocket_is_closed_without_a_key_in_force(world: World, who: str) -> None:
    with pytest.raises(InvalidStatus) as refused, _socket(world, who):
        pass
    assert refused.value.response.status_code == 401
