"""Writes shifts as a GTFS feed, and checks feeds for the fields that the reference requires.

General Transit Feed Specification, Schedule Reference, https://gtfs.org/documentation/schedule/reference/. Every
shift is a route with one trip from its pickup to its drop-off on its weekdays.
"""

import csv
import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

REQUIRED_FIELDS = {
    "agency.txt": ("agency_id", "agency_name", "agency_url", "agency_timezone"),
    "stops.txt": ("stop_id", "stop_name", "stop_lat", "stop_lon"),
    "routes.txt": ("route_id", "agency_id", "route_short_name", "route_type"),
    "trips.txt": ("route_id", "service_id", "trip_id"),
    "stop_times.txt": ("trip_id", "arrival_time", "departure_time", "stop_id", "stop_sequence"),
    "calendar.txt": (
        "service_id",
        *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
        *("start_date", "end_date"),
    ),
    "feed_info.txt": ("feed_publisher_name", "feed_publisher_url", "feed_lang"),
}
"""Files of a feed and the fields that must have a value in every row. `agency_id` and `route_short_name` are required
in some feeds only; feeds of shifts always have them."""

_UNIQUE = {
    "stops.txt": "stop_id",
    "routes.txt": "route_id",
    "trips.txt": "trip_id",
    "calendar.txt": "service_id",
}
_REFERENCES = (
    ("routes.txt", "agency_id", "agency.txt"),
    ("trips.txt", "route_id", "routes.txt"),
    ("trips.txt", "service_id", "calendar.txt"),
    ("stop_times.txt", "trip_id", "trips.txt"),
    ("stop_times.txt", "stop_id", "stops.txt"),
)
_BUS = "3"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""Time of the files in the archive: the same shifts make the same bytes."""

Row = Sequence[str]


@dataclass(frozen=True)
class Timetable:
    """k shifts of a region as a timetable."""

    shift_ids: NDArray[np.int64]
    """Shape (k,)."""
    places: NDArray[np.float64]
    """Shape (k, 4): longitude and latitude of pickup and drop-off, degrees."""
    departs_s: NDArray[np.float64]
    """Shape (k,), seconds since midnight."""
    driving_s: NDArray[np.float64]
    """Shape (k,): seconds from pickup to drop-off."""
    runs_on: NDArray[np.bool_]
    """Shape (k, 7): weekdays, Monday first."""
    stop_names: Sequence[tuple[str | None, str | None]]
    """k names of the stops at pickup and drop-off; None for places without a name."""


@dataclass(frozen=True)
class Publication:
    """Who publishes a feed, and for which days."""

    publisher: str
    url: str
    timezone: str
    """Of the trips' wall clock, as `Europe/Rome`: trips do not carry one."""
    language: str
    first_day: date
    last_day: date


def write_feed(timetable: Timetable, publication: Publication) -> bytes:
    """Return a feed as a zip archive; the same arguments give the same bytes."""
    stop_ids = [[_stop_id(*place[:2]), _stop_id(*place[2:])] for place in timetable.places]
    ids = [str(shift_id) for shift_id in timetable.shift_ids.tolist()]
    services = ["".join("1" if runs else "0" for runs in days) for days in timetable.runs_on.tolist()]
    names = [f"Shift {number}" for number in range(1, len(ids) + 1)]
    days = (publication.first_day.strftime("%Y%m%d"), publication.last_day.strftime("%Y%m%d"))
    rows: dict[str, Iterable[Row]] = {
        "agency.txt": [("shifts", publication.publisher, publication.url, publication.timezone)],
        "stops.txt": _stops(stop_ids, timetable.stop_names),
        "routes.txt": [(shift, "shifts", name, _BUS) for shift, name in zip(ids, names, strict=True)],
        "trips.txt": [(shift, service, shift) for shift, service in zip(ids, services, strict=True)],
        "stop_times.txt": _stop_times(timetable, ids, stop_ids),
        "calendar.txt": [(service, *service, *days) for service in sorted(set(services))],
        "feed_info.txt": [(publication.publisher, publication.url, publication.language)],
    }
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as feed:
        for name, fields in REQUIRED_FIELDS.items():
            text = io.StringIO()
            csv.writer(text, lineterminator="\r\n").writerows([fields, *rows[name]])
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            feed.writestr(entry, text.getvalue())
    return archive.getvalue()


def feed_errors(feed: bytes) -> list[str]:
    """Return what a feed lacks: files, fields, values, unique ids, rows that others refer to, rising times."""
    with zipfile.ZipFile(io.BytesIO(feed)) as archive:
        missing = sorted(set(REQUIRED_FIELDS) - set(archive.namelist()))
        if missing:
            return [f"{name} is missing" for name in missing]
        tables = {
            name: list(csv.DictReader(io.StringIO(archive.read(name).decode("utf-8-sig"))))
            for name in REQUIRED_FIELDS
        }
    errors = [
        f"{name} row {number} has no {field}"
        for name, fields in REQUIRED_FIELDS.items()
        for number, row in enumerate(tables[name], 1)
        for field in fields
        if not row.get(field)
    ]
    for name, field in _UNIQUE.items():
        values = [row.get(field) for row in tables[name]]
        if len(set(values)) < len(values):
            errors.append(f"{name} has a {field} twice")
    for name, field, other in _REFERENCES:
        known = {row.get(field) for row in tables[other]}
        errors += [
            f"{name} refers to {field} {value}, which {other} lacks"
            for value in sorted({row.get(field) or "" for row in tables[name]} - known)
        ]
    return errors + _time_errors(tables["stop_times.txt"])


def _time_errors(stop_times: list[dict[str, str]]) -> list[str]:
    errors: list[str] = []
    previous: dict[str, int] = {}
    for row in sorted(
        stop_times, key=lambda row: (row.get("trip_id", ""), int(row.get("stop_sequence") or 0))
    ):
        trip = row.get("trip_id", "")
        arrival, departure = _seconds(row.get("arrival_time", "")), _seconds(row.get("departure_time", ""))
        if not previous.get(trip, 0) <= arrival <= departure:
            errors.append(f"stop_times.txt: the times of trip {trip} do not rise")
        previous[trip] = departure
    return errors


def _stop_times(timetable: Timetable, ids: list[str], stop_ids: list[list[str]]) -> Iterable[Row]:
    times = zip(ids, stop_ids, timetable.departs_s.tolist(), timetable.driving_s.tolist(), strict=True)
    for shift, (pickup, dropoff), departs_s, driving_s in times:
        yield shift, _clock(departs_s), _clock(departs_s), pickup, "1"
        arrives = _clock(departs_s + driving_s)
        yield shift, arrives, arrives, dropoff, "2"


def _stop_id(lon: float, lat: float) -> str:
    """Return a stop's id: its coordinates, about 10 cm apart, so that it lasts and shifts share stops."""
    return f"{lat:.6f},{lon:.6f}"


def _stops(stop_ids: list[list[str]], stop_names: Sequence[tuple[str | None, str | None]]) -> Iterable[Row]:
    """Rows of all stops; of several names at a place the first in the alphabet is taken."""
    names: dict[str, str | None] = {}
    for pair, labels in zip(stop_ids, stop_names, strict=True):
        for stop_id, label in zip(pair, labels, strict=True):
            known = names.setdefault(stop_id, label)
            if label is not None and (known is None or label < known):
                names[stop_id] = label
    for stop_id, name in sorted(names.items()):
        lat, lon = stop_id.split(",")
        yield stop_id, name or f"Stop {lat} {lon}", lat, lon


def _clock(seconds: float) -> str:
    """Return a time as HH:MM:SS; past 24:00:00 on the day after the departure."""
    whole = round(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _seconds(clock: str) -> int:
    """Return the seconds of a time of a feed, or -1."""
    parts = clock.split(":")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        return -1
    return 3600 * int(parts[0]) + 60 * int(parts[1]) + int(parts[2])
