"""What each route needs: the one table of rules. A route without an entry keeps the service from starting."""

from typing import Literal, NamedTuple

from shifts_core.access.rights import Role

AuditAction = Literal["trips.read", "exported", "deleted"]


PREFIX = "/api/v1"
"""Of all paths that need a key."""


class Rule(NamedTuple):
    """What a request needs."""

    role: Role
    shows_trips: bool = False
    """Whether it shows single trips or rows of files, which keys for aggregates only may not see."""
    needs_all_regions: bool = False
    """Whether it concerns rows whose region is unknown, which keys limited to regions may not see."""
    audited_as: AuditAction | None = None
    """What the audit trail records."""


_READ = Rule("reader")
_TRIPS = Rule("reader", shows_trips=True, audited_as="trips.read")
_MANAGE = Rule("admin")

RULES: dict[tuple[str, str], Rule] = {
    ("GET", "/trips/stats"): _READ,
    ("GET", "/trips/weekly"): _READ,
    ("POST", "/trips/weekly"): _READ,
    ("GET", "/trips/profile"): _READ,
    ("GET", "/trips/matrix"): _READ,
    ("GET", "/trips/extent"): _READ,
    ("GET", "/trips/density/{zoom}/{x}/{y}"): _READ,
    ("POST", "/trips"): Rule("writer"),
    ("GET", "/trips/{trip_id}/cluster"): _TRIPS,
    ("GET", "/trips/{trip_id}/shift"): _TRIPS,
    ("WS", "/trips/live"): _READ,
    ("GET", "/clusters"): _READ,
    ("GET", "/clusters/{cluster_id}"): _READ,
    ("GET", "/clusters/{cluster_id}/trips"): _TRIPS,
    ("GET", "/shifts"): _READ,
    ("GET", "/shifts/coverage"): _READ,
    ("GET", "/shifts/{shift_id}"): _READ,
    ("GET", "/shifts/{shift_id}/trips"): _TRIPS,
    ("GET", "/fleet"): _READ,
    ("GET", "/gtfs"): Rule("reader", audited_as="exported"),
    ("GET", "/zones"): _READ,
    ("GET", "/zones/{name:path}"): _READ,
    ("POST", "/zones"): _MANAGE,
    ("PUT", "/zones/{name:path}"): _MANAGE,
    ("DELETE", "/zones/{name:path}"): Rule("admin", audited_as="deleted"),
    ("GET", "/regions"): _READ,
    ("GET", "/files"): _READ,
    # A file may hold trips of any region.
    ("POST", "/files"): Rule("writer", needs_all_regions=True),
    ("GET", "/files/{file_id}"): _READ,
    ("DELETE", "/files/{file_id}"): Rule("admin", needs_all_regions=True, audited_as="deleted"),
    # A rejected row may be of any region.
    ("GET", "/files/{file_id}/rejects"): Rule(
        "reader", shows_trips=True, needs_all_regions=True, audited_as="trips.read"
    ),
    ("GET", "/events"): _READ,
    ("GET", "/audit"): Rule("admin", needs_all_regions=True),
    ("GET", "/session"): _READ,
    ("DELETE", "/session"): _READ,
}
"""By method and path below `/api/v1`; `WS` is a WebSocket."""
PUBLIC = ("POST", "/session")
"""The one route that needs no key: its body has it."""
