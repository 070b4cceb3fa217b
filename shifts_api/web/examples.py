"""An answer to each call, as the service's document shows it."""

from typing import Any

_TASK = "9f3a6c1e4b7d4f0a8c2e5d7b9a1c3e5f"
_GROUP = {
    "type": "Feature",
    "id": 2776266860134401,
    "geometry": {"type": "LineString", "coordinates": [[7.6824, 45.0703], [7.6615, 45.0316]]},
    "properties": {
        "cluster_id": 2776266860134401,
        "region": "Turin",
        "week": "2018-W22",
        "monday": "2018-05-28",
        "time_of_day": "08:05:30",
        "earliest": "07:41:02",
        "latest": "08:29:17",
        "trips": 12,
        "radius_m": 214.7,
        "share_of_bin": 0.4,
    },
}
_CSV = (
    "cluster_id,region,week,monday,time_of_day,earliest,latest,trips,radius_m,share_of_bin,"
    "origin_lon,origin_lat,destination_lon,destination_lat\r\n"
    "2776266860134401,Turin,2018-W22,2018-05-28,08:05:30,07:41:02,08:29:17,12,214.7,0.4,"
    "7.6824,45.0703,7.6615,45.0316\r\n"
)
_FILE = {
    "file_id": 7,
    "name": "trips.csv",
    "uri": "file:///srv/landing/trips.csv",
    "status": "loaded",
    "rows_loaded": 186,
    "rows_rejected": 1,
    "task_id": _TASK,
    "run_id": "0c5e3a52-6f0e-4a41-9d53-7a2f1c2f8f10",
    "queued_at": "2026-11-23T20:59:57.120000Z",
    "finished_at": "2026-11-23T20:59:59.480000Z",
    "error": None,
}
_TRIP = {
    "trip_id": 2776266860134402,
    "region": "Turin",
    "origin": [7.6824, 45.0703],
    "destination": [7.6615, 45.0316],
    "started_at": "2018-05-28T09:03:40",
    "source": "funny_car",
    "file_id": 7,
}
_REGION = {
    "region": "Turin",
    "trips": 38,
    "weeks": 5,
    "first_at": "2018-05-01T09:12:00",
    "last_at": "2018-05-31T18:40:09",
}
_WEEKLY = {
    "mean": 7.5,
    "num_weeks": 2,
    "total_trips": 15,
    "series": [
        {"week": "2018-W21", "monday": "2018-05-21", "trips": 6},
        {"week": "2018-W22", "monday": "2018-05-28", "trips": 9},
    ],
    "filter": {
        "region": "Turin",
        "bbox": {"west": 7.6, "south": 45.0, "east": 7.72, "north": 45.1},
        "match": "both",
        "weeks": "active",
        "from_week": None,
        "to_week": None,
    },
    "as_of": "2026-11-23T21:00:00Z",
}
EXAMPLES: dict[str, Any] = {
    "get /api/v1/trips/stats 200": {"mean": 1.5},
    "get /api/v1/trips/weekly 200": _WEEKLY,
    "get /api/v1/regions 200": {"regions": [_REGION]},
    "post /api/v1/trips 201": {"message": "Points inserted"},
    "post /api/v1/trips 202": {"message": f"Task is processing: {_TASK}", "metadata": "PENDING"},
    "get /api/v1/clusters 200": {
        "type": "FeatureCollection",
        "features": [_GROUP],
        "next_cursor": "12-2776266860134401",
    },
    "get /api/v1/clusters 200 text/csv": _CSV,
    "get /api/v1/clusters/{cluster_id} 200": _GROUP,
    "get /api/v1/clusters/{cluster_id}/trips 200": {"trips": [_TRIP], "next_cursor": "2776266860134402"},
    "get /api/v1/trips/{trip_id}/cluster 200": {"trip_id": 2776266860134402, "cluster": _GROUP},
    "get /api/v1/files 200": {"files": [_FILE], "next_cursor": "7"},
    "post /api/v1/files 202": {"file_id": 7, "task_id": _TASK, "name": "trips.csv"},
    "get /api/v1/files/{file_id} 200": _FILE,
    "get /api/v1/files/{file_id}/rejects 200": {
        "rejects": [{"line": 188, "reason": "3 fields of 5", "raw": "Turin,POINT (7.68 45.07)"}],
        "next_cursor": None,
    },
    "get /health 200": {"status": "ok"},
    "get /ready 200": {
        "ready": True,
        "database": "ok",
        "feed": "ok",
        "statistics": "ok",
        "writes": "ok",
    },
    "get /ready 503": {
        "ready": False,
        "database": "ok",
        "feed": "not connected",
        "statistics": "ok",
        "writes": "ok",
    },
    "get /metrics 200 text/plain": "# TYPE shifts_feed_clients gauge\nshifts_feed_clients 3.0\n",
}
"""By method, path and status; and the media type, unless it is JSON."""
