"""Query parameters that a call does not know are refused, on every call except the original service's."""

import json
import re
from typing import Any

import anyio
import httpx
import pytest
from fastapi import FastAPI

from shifts_api.access.key_ring import KeyRing
from shifts_api.app import create_app
from shifts_api.queries.api_keys import StoredKeys
from shifts_api.queries.database import create_key_engine
from shifts_api.settings import ApiSettings

DATABASE = "postgresql://nobody@localhost/none"
ORIGINAL = {("get", "/api/v1/trips/stats"), ("post", "/api/v1/trips")}


@pytest.fixture(scope="module")
def app() -> FastAPI:
    settings = ApiSettings(
        database_url=DATABASE, dagster_database_url=DATABASE, landing_url="landing", api_port=8000
    )
    found, engine = create_app(settings), create_key_engine(settings)
    found.state.keys = KeyRing(engine, engine, None)
    found.state.keys.receive(StoredKeys({}, frozenset(), frozenset(), None))
    return found


def ask(app: FastAPI, method: str, path: str, query: str) -> httpx.Response:
    """Calls the application without its lifespan: it has no database, and parameters are checked before."""

    async def send_request() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, f"{re.sub(r'{[^}]+}', '1', path)}?{query}")

    return anyio.run(send_request)


def operations(app: FastAPI) -> list[tuple[str, str, dict[str, Any]]]:
    paths: dict[str, dict[str, Any]] = json.loads(json.dumps(app.openapi()["paths"]))
    return [(method, path, found[method]) for path, found in paths.items() for method in found]


def test_every_call_but_the_original_ones_refuses_an_unknown_parameter(app: FastAPI) -> None:
    refused = set()
    for method, path, operation in operations(app):
        answer = ask(app, method, path, "no_such_filter=1")
        if answer.status_code == 400 and "no_such_filter: unknown query parameter" in answer.text:
            known = [each["name"] for each in operation.get("parameters", []) if each["in"] == "query"]
            (advice,) = re.findall(r"no_such_filter: unknown query parameter, (.*)", answer.json()["message"])
            nearest = re.fullmatch(r"did you mean (\w+)\?", advice)
            assert (nearest[1] in known) if nearest else (advice, known) == ("this call has none", [])
            refused.add((method, path))
    assert refused == {(method, path) for method, path, _ in operations(app)} - ORIGINAL


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("regoin=Turin", "regoin: unknown query parameter, did you mean region?"),
        ("region=Turin&BBox=1,2,3,4", "BBox: unknown query parameter, did you mean bbox?"),
        ("region=Turin&bbox=1,2,3,4&week=2018-W22", "week: unknown query parameter, did you mean weeks?"),
        ("region=Turin&bbox=1,2,3,4&=", ": unknown query parameter, did you mean region?"),
        ("region=Turin&bbox=1,2,3,4&region=Milan", "region: given more than once"),
        ("first=2018-W22", "first: unknown query parameter, did you mean from?"),
    ],
)
def test_the_message_names_the_parameter_and_the_nearest_known_one(
    app: FastAPI, query: str, message: str
) -> None:
    answer = ask(app, "get", "/api/v1/trips/weekly", query)
    assert (answer.status_code, answer.json()) == (400, {"message": message})


def test_the_original_call_ignores_other_parameters(app: FastAPI) -> None:
    answer = ask(app, "get", "/api/v1/trips/stats", "no_such_filter=1")
    assert answer.json() == {"message": "Missing query parameters: nortest, region, southest"}
