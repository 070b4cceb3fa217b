"""What each route answers to all but admins where `SHIFTS_MIN_COUNT` is set.

A route without an entry keeps the service from starting.

| how | meaning |
|---|---|
| cells | counted from cells of at least k trips |
| rounded | only what has at least k riders, with rounded figures |
| withheld | numbers of rows, and texts that may contain them, are null |
| refused | 403: single trips and rows |
| no counts | the answer contains no counts |
| for admins | only keys with the role `admin`, or clients on the same machine while no key exists |
"""

from typing import Literal

How = Literal["cells", "rounded", "withheld", "refused", "no counts", "for admins"]

ANSWERS: dict[tuple[str, str], How] = {
    ("GET", "/trips/stats"): "cells",
    ("GET", "/trips/weekly"): "cells",
    ("POST", "/trips/weekly"): "cells",
    ("GET", "/trips/profile"): "cells",
    ("GET", "/trips/matrix"): "cells",
    ("GET", "/trips/extent"): "cells",
    ("GET", "/trips/density/{zoom}/{x}/{y}"): "cells",
    ("POST", "/trips"): "no counts",
    ("GET", "/trips/{trip_id}/cluster"): "refused",
    ("GET", "/trips/{trip_id}/shift"): "refused",
    ("WS", "/trips/live"): "withheld",
    ("GET", "/clusters"): "rounded",
    ("GET", "/clusters/{cluster_id}"): "rounded",
    ("GET", "/clusters/{cluster_id}/trips"): "refused",
    ("GET", "/shifts"): "rounded",
    ("GET", "/shifts/coverage"): "withheld",
    ("GET", "/shifts/{shift_id}"): "rounded",
    ("GET", "/shifts/{shift_id}/trips"): "refused",
    ("GET", "/fleet"): "rounded",
    ("GET", "/gtfs"): "rounded",
    ("GET", "/zones"): "no counts",
    ("GET", "/zones/{name:path}"): "no counts",
    ("POST", "/zones"): "no counts",
    ("PUT", "/zones/{name:path}"): "no counts",
    ("DELETE", "/zones/{name:path}"): "no counts",
    ("GET", "/regions"): "cells",
    ("GET", "/files"): "withheld",
    ("POST", "/files"): "no counts",
    ("GET", "/files/{file_id}"): "withheld",
    ("DELETE", "/files/{file_id}"): "no counts",
    ("GET", "/files/{file_id}/rejects"): "refused",
    ("GET", "/events"): "withheld",
    ("GET", "/audit"): "for admins",
    ("GET", "/session"): "no counts",
    ("DELETE", "/session"): "no counts",
}
"""By method and path below `/api/v1`, as in `rules.py`."""
