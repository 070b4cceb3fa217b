"""The list of routes at the top of `app.py` is complete, and so is the table of rules."""

import re
from pathlib import Path
from typing import get_args

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute, APIWebSocketRoute

from shifts_api import app as module
from shifts_api.access.authorization import require_rules
from shifts_api.access.min_count import ANSWERS, How
from shifts_api.access.rules import RULES
from shifts_api.settings import ApiSettings

DATABASE = "postgresql://nobody@localhost/none"


def test_app_lists_every_route() -> None:
    settings = ApiSettings(
        database_url=DATABASE, dagster_database_url=DATABASE, landing_url="landing", api_port=8000
    )
    paths = module.create_app(settings).openapi()["paths"]
    documented = {(method.upper(), path) for path, operations in paths.items() for method in operations}
    listed = set(re.findall(r"^(GET|POST|PUT|DELETE|WS) +(\S+)", module.__doc__ or "", re.MULTILINE))
    assert listed == documented | {("WS", "/api/v1/trips/live")}


def test_a_route_without_a_rule_keeps_the_service_from_starting() -> None:
    router = APIRouter()

    @router.get("/new")
    async def get_new() -> None: ...

    with pytest.raises(LookupError, match="GET /new has no entry"):
        require_rules(router)


def test_every_rule_belongs_to_a_route() -> None:
    routers = (*module.ORIGINAL_ROUTERS, *module.ROUTERS)
    routes = {
        (method, route.path)
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute | APIWebSocketRoute)
        for method in (route.methods or () if isinstance(route, APIRoute) else ("WS",))
    }
    assert set(RULES) == routes


def test_the_page_on_privacy_says_what_each_route_answers_where_counts_are_limited() -> None:
    page = (Path(__file__).parents[3] / "docs/privacy.md").read_text()
    assert ANSWERS.keys() == RULES.keys()
    for how in get_args(How):
        (row,) = re.findall(rf"^\| {how} \| (.*) \|$", page, re.MULTILINE)
        named = {tuple(name.split(" ")) for name in re.findall(r"`([^`]+)`", row)}
        assert named == {place for place, given in ANSWERS.items() if given == how}


def test_routes_that_show_single_trips_are_refused_where_counts_are_limited() -> None:
    assert {place for place, how in ANSWERS.items() if how == "refused"} == {
        place for place, rule in RULES.items() if rule.shows_trips
    }
