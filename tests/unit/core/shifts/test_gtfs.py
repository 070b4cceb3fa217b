"""GTFS feeds of shifts: complete, consistent, and the same bytes for the same shifts."""

import csv
import io
import zipfile
from datetime import date

import numpy as np
import pytest

from shifts_core.shifts.gtfs import REQUIRED_FIELDS, Publication, Timetable, feed_errors, write_feed

PUBLICATION = Publication(
    'Shifts, "Turin"', "https://example.org", "Europe/Rome", "en", date(2018, 6, 4), date(2018, 7, 1)
)
TIMETABLE = Timetable(
    np.array([7, 9, 8]),
    np.array([[7.68, 45.07, 7.72, 45.09], [7.68, 45.07, 7.6, 45.0], [7.72, 45.09, 7.68, 45.07]]),
    np.array([28_800.0, 61_230.0, 86_100.0]),
    np.array([600.4, 900.0, 1_800.0]),
    np.array([[1, 1, 1, 1, 1, 0, 0], [0, 1, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 0, 0]], np.bool_),
    [(None, "Park"), ("Square", None), (None, "Plaza")],
)


def read(feed: bytes, name: str) -> list[dict[str, str]]:
    with zipfile.ZipFile(io.BytesIO(feed)) as archive:
        return list(csv.DictReader(io.StringIO(archive.read(name).decode())))


def edit(feed: bytes, name: str, old: str, new: str) -> bytes:
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(feed)) as archive, zipfile.ZipFile(changed, "w") as copy:
        for entry in archive.namelist():
            text = archive.read(entry).decode()
            assert entry != name or old in text
            copy.writestr(entry, text.replace(old, new) if entry == name else text)
    return changed.getvalue()


def test_a_feed_has_all_that_the_reference_requires() -> None:
    feed = write_feed(TIMETABLE, PUBLICATION)
    assert feed_errors(feed) == []
    assert write_feed(TIMETABLE, PUBLICATION) == feed
    assert [len(read(feed, name)) for name in REQUIRED_FIELDS] == [1, 3, 3, 3, 6, 2, 1]
    times = read(feed, "stop_times.txt")
    assert [row["departure_time"] for row in times] == [
        *("08:00:00", "08:10:00", "17:00:30", "17:15:30", "23:55:00", "24:25:00")
    ]
    services = {row["service_id"]: row for row in read(feed, "calendar.txt")}
    tuesday = services[read(feed, "trips.txt")[1]["service_id"]]
    assert (tuesday["monday"], tuesday["tuesday"], tuesday["sunday"]) == ("0", "1", "0")
    assert (tuesday["start_date"], tuesday["end_date"]) == ("20180604", "20180701")
    stops = {row["stop_id"]: row for row in read(feed, "stops.txt")}
    assert float(stops[times[0]["stop_id"]]["stop_lat"]) == 45.07
    assert float(stops[times[0]["stop_id"]]["stop_lon"]) == 7.68
    # Of two names of a stop one is taken; a place that has none gets one.
    assert [stops[row["stop_id"]]["stop_name"] for row in times] == [
        *("Plaza", "Park", "Plaza", "Stop 45.000000 7.600000", "Park", "Plaza")
    ]
    assert read(feed, "agency.txt")[0]["agency_name"] == 'Shifts, "Turin"'


def test_a_region_without_shifts_has_a_feed_without_trips() -> None:
    empty = Timetable(
        np.empty(0, np.int64), np.empty((0, 4)), np.empty(0), np.empty(0), np.empty((0, 7), np.bool_), []
    )
    feed = write_feed(empty, PUBLICATION)
    assert feed_errors(feed) == []
    assert read(feed, "trips.txt") == []


@pytest.mark.parametrize(
    ("name", "old", "new", "error"),
    [
        ("agency.txt", "Europe/Rome", "", "agency.txt row 1 has no agency_timezone"),
        ("routes.txt", "9,shifts", "7,shifts", "routes.txt has a route_id twice"),
        (
            "trips.txt",
            "7,1111100,7",
            "7,1111111,7",
            "trips.txt refers to service_id 1111111, which calendar.txt lacks",
        ),
        ("stop_times.txt", "08:10:00", "07:59:59", "stop_times.txt: the times of trip 7 do not rise"),
        ("stop_times.txt", "08:10:00", "8 o'clock", "stop_times.txt: the times of trip 7 do not rise"),
    ],
)
def test_a_broken_feed_is_recognised(name: str, old: str, new: str, error: str) -> None:
    assert error in feed_errors(edit(write_feed(TIMETABLE, PUBLICATION), name, old, new))


def test_a_missing_file_is_recognised() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as feed:
        feed.writestr("agency.txt", "agency_id\n")
    assert "stops.txt is missing" in feed_errors(archive.getvalue())
