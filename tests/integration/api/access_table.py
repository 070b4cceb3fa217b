"""What each kind of key may do: the statuses of calls to every path of the OpenAPI document."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tests.integration.api.running import posted, trip

WHO = (
    "reader",
    "writer",
    "admin",
    "setting",
    "reader of Turin",
    "writer of Turin",
    "admin of Turin",
    "reader of Milan",
    "aggregates",
    "aggregates of Turin",
)
"""The columns of the table."""
Statuses = Mapping[str, int]


class Call(NamedTuple):
    """A request and its statuses."""

    url: str
    statuses: Statuses
    content: Mapping[str, Any] = {}
    """Arguments of `httpx.request`."""


def given(
    all_: int,
    *,
    turin: int,
    milan: int,
    aggregates: int | None = None,
    turin_aggregates: int | None = None,
) -> Statuses:
    """Statuses of a read: for keys without limits, for those of a region, and for aggregates only."""
    statuses = dict.fromkeys(WHO, all_)
    statuses |= {who: turin for who in WHO if who.endswith("of Turin")}
    statuses["reader of Milan"] = milan
    statuses["aggregates"] = all_ if aggregates is None else aggregates
    statuses["aggregates of Turin"] = turin if turin_aggregates is None else turin_aggregates
    return statuses


def only(status: int, *who: str) -> Statuses:
    """A status for some, and 403 for all others."""
    return {**dict.fromkeys(WHO, 403), **dict.fromkeys(who, status)}


EVERYBODY = given(200, turin=200, milan=200)
OF_TURIN = given(200, turin=200, milan=403)
OF_MILAN = given(200, turin=403, milan=200)
FOUND_OF_TURIN = given(200, turin=200, milan=404)
FOUND_OF_MILAN = given(200, turin=404, milan=200)
TRIPS_OF_TURIN = given(200, turin=200, milan=404, aggregates=403, turin_aggregates=403)
TRIPS_OF_MILAN = given(200, turin=404, milan=200, aggregates=403, turin_aggregates=403)
_WRITERS = ("writer", "admin", "setting")
_ADMINS = ("admin", "setting")
_OF_TURIN = ("writer of Turin", "admin of Turin")
_BOX = "bbox=7,44,8,48"
_CORNERS = "nortest=8,48&southest=7,44"
_POLYGON = {"type": "Polygon", "coordinates": [[[7, 44], [8, 44], [8, 48], [7, 44]]]}


def _of_regions(call: str) -> Sequence[Call]:
    """The same call for both regions."""
    return [Call(call.format(region="Turin"), OF_TURIN), Call(call.format(region="Milan"), OF_MILAN)]


def _by_id(
    path: str, kind: str, statuses: Sequence[Statuses] = (FOUND_OF_TURIN, FOUND_OF_MILAN)
) -> Sequence[Call]:
    return [
        Call(path.format(f"{{{name}_{kind}}}"), each)
        for name, each in zip(("turin", "milan"), statuses, strict=True)
    ]


def _zone(region: str | None, name: str = "mine") -> dict[str, Any]:
    return {"type": "Feature", "geometry": _POLYGON, "properties": {"name": name, "region": region}}


def _zones(region: str | None) -> dict[str, Any]:
    return {"json": {"type": "FeatureCollection", "features": [_zone(region)]}}


_SINGLE = (TRIPS_OF_TURIN, TRIPS_OF_MILAN)
_REJECTS = only(200, "reader", *_WRITERS)
TABLE: dict[str, Sequence[Call]] = {
    "GET /api/v1/trips/stats": _of_regions(f"?region={{region}}&{_CORNERS}"),
    "GET /api/v1/trips/weekly": [
        *_of_regions(f"?region={{region}}&{_BOX}"),
        *_of_regions("?region={region}&zone=everywhere"),
    ],
    "POST /api/v1/trips/weekly": [
        Call("", OF_TURIN, {"json": {"region": "Turin", "geometry": _POLYGON}}),
        Call("", OF_MILAN, {"json": {"region": "Milan", "geometry": _POLYGON}}),
        Call("", OF_MILAN, {"json": {"region": "Milan", "zone": "navigli"}}),
    ],
    "GET /api/v1/trips/profile": _of_regions(f"?region={{region}}&{_BOX}"),
    "GET /api/v1/trips/matrix": _of_regions("?region={region}&zones=all"),
    "GET /api/v1/trips/extent": _of_regions("?region={region}"),
    "GET /api/v1/trips/density/{zoom}/{x}/{y}": _of_regions("/api/v1/trips/density/0/0/0?region={region}"),
    "POST /api/v1/trips": [
        Call("", only(201, *_WRITERS, *_OF_TURIN), {"json": posted(trip(source="posted"))}),
        Call("", only(201, *_WRITERS), {"json": posted(trip(region="Milan"))}),
        Call("", only(201, *_WRITERS), {"json": posted(trip(), trip(region="Milan"))}),
        Call("", only(202, *_WRITERS), {"json": {"data_type": "mocked", "data": "turin.csv"}}),
    ],
    "GET /api/v1/trips/{trip_id}/cluster": _by_id("/api/v1/trips/{}/cluster", "trip", _SINGLE),
    "GET /api/v1/trips/{trip_id}/shift": _by_id("/api/v1/trips/{}/shift", "trip", _SINGLE),
    "GET /api/v1/clusters": _of_regions("?region={region}&week=2018-W22"),
    "GET /api/v1/clusters/{cluster_id}": _by_id("/api/v1/clusters/{}", "cluster"),
    "GET /api/v1/clusters/{cluster_id}/trips": _by_id("/api/v1/clusters/{}/trips", "cluster", _SINGLE),
    "GET /api/v1/shifts": _of_regions("?region={region}"),
    "GET /api/v1/shifts/coverage": _of_regions("?region={region}"),
    "GET /api/v1/shifts/{shift_id}": [
        *_by_id("/api/v1/shifts/{}", "shift"),
        Call("/api/v1/shifts/{milan_shift}?region=Milan", OF_MILAN),
    ],
    "GET /api/v1/shifts/{shift_id}/trips": _by_id("/api/v1/shifts/{}/trips", "shift", _SINGLE),
    "GET /api/v1/fleet": _of_regions("?region={region}&weekday=tue"),
    "GET /api/v1/gtfs": _of_regions("?region={region}"),
    "GET /api/v1/zones": [Call("", EVERYBODY), *_of_regions("?region={region}")],
    "GET /api/v1/zones/{name}": [
        Call("/api/v1/zones/everywhere", EVERYBODY),
        Call("/api/v1/zones/navigli", FOUND_OF_MILAN),
        Call("/api/v1/zones/navigli?region=Milan", OF_MILAN),
    ],
    "POST /api/v1/zones": [
        Call("", only(201, *_ADMINS, "admin of Turin"), _zones("Turin")),
        Call("", only(201, *_ADMINS), _zones("Milan")),
        Call("", only(201, *_ADMINS), _zones(None)),
    ],
    "PUT /api/v1/zones/{name}": [
        Call("/api/v1/zones/mine", only(200, *_ADMINS, "admin of Turin"), {"json": _zone("Turin")}),
        Call("/api/v1/zones/mine?region=Milan", only(200, *_ADMINS), {"json": _zone("Milan")}),
        Call("/api/v1/zones/mine", only(200, *_ADMINS), {"json": _zone(None)}),
    ],
    "DELETE /api/v1/zones/{name}": [
        Call("/api/v1/zones/none", only(404, *_ADMINS, "admin of Turin")),
        Call("/api/v1/zones/none?region=Milan", only(404, *_ADMINS)),
    ],
    "GET /api/v1/regions": [Call("", EVERYBODY)],
    "GET /api/v1/files": [Call("", EVERYBODY), Call("?status=failed", EVERYBODY)],
    "POST /api/v1/files": [Call("?name=uploaded.csv", only(202, *_WRITERS), {"content": b"x"})],
    "GET /api/v1/files/{file_id}": [
        *_by_id("/api/v1/files/{}", "file"),
        Call("/api/v1/files/{both_file}", given(200, turin=404, milan=404)),
        Call("/api/v1/files/{failed_file}", given(200, turin=404, milan=404)),
    ],
    "DELETE /api/v1/files/{file_id}": [Call("/api/v1/files/999999", only(404, *_ADMINS))],
    "GET /api/v1/files/{file_id}/rejects": _by_id("/api/v1/files/{}/rejects", "file", (_REJECTS, _REJECTS)),
    "GET /api/v1/events": [Call("", EVERYBODY)],
    "POST /api/v1/session": [Call("", dict.fromkeys(WHO, 201))],
    "GET /api/v1/session": [Call("", EVERYBODY)],
    "DELETE /api/v1/session": [Call("", dict.fromkeys(WHO, 400))],
    "GET /api/v1/audit": [Call("", only(200, *_ADMINS))],
}
"""A URL that begins with `?` continues the path of its entry."""
OPEN = {"GET /health", "GET /ready", "GET /metrics"}
"""Outside of `/api/v1`: they need no key."""
