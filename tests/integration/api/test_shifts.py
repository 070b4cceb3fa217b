"""Shifts as clients receive them: pages, filters, history, trips, vehicles and the GTFS feed."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from click.testing import CliRunner

from shifts_core.shifts.gtfs import feed_errors
from shifts_core.shifts.parameters import ShiftParameters
from shifts_pipeline.storage.shifts.run import refresh_shifts
from shifts_pipeline.storage.shifts.state import MakingOptions
from shifts_platform.cli import shifts as command
from tests.failing_commands import failure
from tests.integration.api.pipeline import pipeline_of
from tests.integration.api.running import Service, running
from tests.integration.loading.shift_weeks import request
from tests.integration.pipeline.harness import HEADER, row

TURIN = {"region": "Turin"}
# Of each shift: offset of its latitude, hour and riders of a departure, Monday to Friday.
SHIFTS = [(0.00, 7, 9), (0.04, 8, 12), (0.08, 17, 5)]


@pytest.fixture(scope="module")
def service(
    database_url: str, dagster_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service with the shifts of two weeks."""
    folder = tmp_path_factory.mktemp("shifts")
    landing: Path = folder / "landing"
    landing.mkdir()
    rows = [
        row(
            moment=f"2018-05-{day} {hour:02}:{20 + number}:00",
            origin=(7.67 + number * 1e-4, 45.01 + north),
            destination=(7.72, 45.06 + north),
        )
        for day in (*range(21, 26), *range(28, 32))
        for north, hour, riders in SHIFTS
        for number in range(riders)
    ]
    rows.append(row(moment="2018-05-30 12:00:00", origin=(7.5, 44.9)))
    # A day without any trip has no data; with these, weekends have no riders.
    rows += [
        row(moment=f"2018-{day} 12:00:00", origin=(7.5, 44.9)) for day in ("05-26", "05-27", "06-02", "06-03")
    ]
    rows.append(row(region="Bare", moment="2018-05-30 12:00:00"))
    with running(Service(database_url, dagster_database_url, landing, folder / "api.log")) as found:
        with pipeline_of(found) as pipeline:
            pipeline.put("shifts.csv", HEADER + "".join(rows))
            pipeline.load()
            pipeline.refresh()
            pipeline.put("stops/Turin.csv", "name,lat,lon\nSquare,45.0505,7.6705\n")
            pipeline.load_reference_files()
        with psycopg.connect(database_url, autocommit=True) as connection:
            assert (
                refresh_shifts(connection, request(options=MakingOptions(ShiftParameters(), 4))).failures
                == []
            )
        yield found


def _shifts(client: httpx.Client, **more: Any) -> list[dict[str, Any]]:
    answer = client.get("/shifts", params={**TURIN, **more})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["features"]
    return found


def test_shifts_of_the_newest_week_come_best_first(client: httpx.Client) -> None:
    shifts = _shifts(client)
    assert [shift["properties"]["rank"] for shift in shifts] == [1, 2, 3]
    assert [shift["properties"]["departs"][:2] for shift in shifts] == ["08", "07", "17"]
    assert {shift["properties"]["week"] for shift in shifts} == {"2018-W22"}
    assert {shift["properties"]["status"] for shift in shifts} == {"continuing"}
    assert {shift["geometry"]["type"] for shift in shifts} == {"LineString"}
    assert {shift["properties"]["week"] for shift in _shifts(client, week="2018-W21")} == {"2018-W21"}


def test_pages_together_hold_every_shift(client: httpx.Client) -> None:
    parameters: dict[str, Any] = {**TURIN, "limit": 2}
    first = client.get("/shifts", params=parameters).json()
    second = client.get("/shifts", params={**parameters, "cursor": first["next_cursor"]}).json()
    assert first["features"] + second["features"] == _shifts(client)
    assert second["next_cursor"] is None


def test_filters_keep_shifts_of_a_weekday_and_a_box(client: httpx.Client) -> None:
    assert len(_shifts(client, weekday="tue")) == 3
    assert _shifts(client, weekday="sun") == []
    (inside,) = _shifts(client, bbox="7.6,45.0,7.8,45.07")
    assert inside["properties"]["departs"].startswith("07")


def test_filters_keep_shifts_of_weekdays_a_window_and_an_area(client: httpx.Client) -> None:
    south = [[7.6, 45.0], [7.8, 45.0], [7.8, 45.07], [7.6, 45.07], [7.6, 45.0]]
    zone = {"type": "Polygon", "coordinates": [south]}
    assert client.put("/zones/south", json=zone).status_code == 201

    def hours(**more: str) -> list[str]:
        return [shift["properties"]["departs"][:2] for shift in _shifts(client, **more)]

    assert hours(weekdays="sat,fri") == ["08", "07", "17"]
    assert hours(weekdays="sat,sun") == []
    assert hours(time="07:00-08:00") == ["07"]
    assert hours(time="17:00-08:00") == ["07", "17"]
    assert hours(time="17:00-08:00", zone="south", weekday="mon") == ["07"]
    assert hours(polygon=f"POLYGON(({', '.join(f'{x} {y}' for x, y in south)}))") == ["07"]


def test_coverage_counts_the_trips_that_the_best_shifts_serve(client: httpx.Client) -> None:
    found = client.get("/shifts/coverage", params=TURIN).json()
    assert (found["week"], found["history"]) == ("2018-W22", ["2018-W21", "2018-W22"])
    # Nine days with 26 riders, and five other trips.
    assert found["trips"] == 239
    assert found["points"] == [
        {"shifts": 1, "departures": 5, "trips": 108},
        {"shifts": 2, "departures": 10, "trips": 189},
        {"shifts": 3, "departures": 15, "trips": 234},
    ]
    assert client.get("/shifts/coverage", params={**TURIN, "week": "2018-W21"}).json()["history"] == [
        "2018-W21"
    ]


def test_csv_has_the_properties_and_places(client: httpx.Client) -> None:
    answer = client.get("/shifts", params=TURIN, headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [int(each["shift_id"]) for each in rows] == [shift["id"] for shift in _shifts(client)]
    assert rows[0]["weekdays"] == "mon,tue,wed,thu,fri"
    # Turin has one stop, at the pickup of its best shift.
    assert [(each["pickup_stop"], each["dropoff_stop"]) for each in rows] == [
        ("Square", ""),
        ("", ""),
        ("", ""),
    ]
    assert _shifts(client)[0]["properties"]["dropoff_stop"] is None


def test_a_shift_has_its_history_by_week(client: httpx.Client) -> None:
    best = _shifts(client)[0]
    found = client.get(f"/shifts/{best['id']}").json()
    history = found.pop("history")
    assert found == best
    assert [each["week"] for each in history] == ["2018-W21", "2018-W22"]


def test_shifts_of_two_regions_with_the_same_id_are_not_mixed(
    client: httpx.Client, trips_db: psycopg.Connection
) -> None:
    best = _shifts(client)[0]
    trips = client.get(f"/shifts/{best['id']}/trips").json()["trips"]
    columns = trips_db.execute(
        "SELECT string_agg(column_name, ', ') FROM information_schema.columns WHERE table_schema = 'shifts_store'"
        " AND table_name = 'shifts' AND column_name NOT IN ('region_id', 'trip_ids', 'trips')"
    ).fetchone()
    assert columns is not None
    trips_db.execute(
        f"INSERT INTO shifts_store.shifts (region_id, trip_ids, trips, {columns[0]})"
        f" SELECT r.region_id, s.trip_ids[:1], 1, {columns[0]} FROM shifts_store.shifts s, shifts_store.regions r"
        " WHERE s.shift_id = %s AND s.week = '2018-05-28' AND r.name = 'Bare'",
        [best["id"]],
    )
    try:
        turin, bare = (
            client.get(f"/shifts/{best['id']}", params={"region": each}) for each in ("Turin", "Bare")
        )
        assert turin.json()["properties"] == best["properties"]
        assert [each["region"] for each in bare.json()["history"]] == ["Bare"]
        assert client.get(f"/shifts/{best['id']}").json() == bare.json()
        path = f"/shifts/{best['id']}/trips"
        assert client.get(path, params=TURIN).json()["trips"] == trips
        assert len(client.get(path).json()["trips"]) == 1
        assert client.get(f"/shifts/{best['id']}", params={"region": "Paris"}).status_code == 404
    finally:
        trips_db.execute(
            "DELETE FROM shifts_store.shifts s USING shifts_store.regions r"
            " WHERE r.region_id = s.region_id AND r.name = 'Bare'"
        )


def test_the_trips_of_a_shift_name_it_as_theirs(client: httpx.Client) -> None:
    best = _shifts(client)[0]
    trips: list[dict[str, Any]] = []
    cursor = "0"
    while cursor:
        page = client.get(f"/shifts/{best['id']}/trips", params={"limit": 50, "cursor": cursor}).json()
        trips, cursor = trips + page["trips"], page["next_cursor"]
    assert len(trips) == best["properties"]["trips"] == 9 * 12
    assert client.get(f"/trips/{trips[0]['trip_id']}/shift").json()["shift"] == best
    earlier = client.get(f"/shifts/{best['id']}/trips", params={"week": "2018-W21"}).json()["trips"]
    assert len(earlier) == 5 * 12


def test_a_trip_that_no_shift_counts_has_none(client: httpx.Client, trips_db: psycopg.Connection) -> None:
    found = trips_db.execute("SELECT trip_id FROM shifts.trips WHERE region = 'Bare'").fetchone()
    assert found is not None
    assert client.get(f"/trips/{found[0]}/shift").json() == {"trip_id": found[0], "shift": None}


def test_a_fleet_drives_every_departure_once_within_capacity(client: httpx.Client) -> None:
    fleet = client.get("/fleet", params={**TURIN, "weekday": "tue", "capacity": 8}).json()
    driven = [entry for roster in fleet["rosters"] for entry in roster]
    assert fleet["departures"] == 3
    # Nine and twelve riders take two vehicles, which can drive on to the next departure.
    assert (len(driven), fleet["vehicles"]) == (5, len(fleet["rosters"])) == (5, 2)
    assert all(entry["riders"] <= 8 for entry in driven)
    empty = client.get("/fleet", params={**TURIN, "weekday": "sun"}).json()
    assert (empty["departures"], empty["vehicles"], empty["rosters"]) == (0, 0, [])


def test_the_feed_is_valid_gtfs(client: httpx.Client) -> None:
    answer = client.get("/gtfs", params={**TURIN, "timezone": "Europe/Rome"})
    assert answer.headers["content-type"] == "application/zip"
    assert feed_errors(answer.content) == []


@pytest.fixture
def beside_service(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings of a user whose platform the service is; returns an empty folder."""
    monkeypatch.setenv("SHIFTS_API_PORT", str(service.port))
    monkeypatch.setenv("SHIFTS_DATA_DIR", str(tmp_path / "data"))
    folder = tmp_path / "exports"
    folder.mkdir()
    return folder


def test_the_command_writes_the_same_feed(client: httpx.Client, beside_service: Path) -> None:
    arguments = {"region": "Turin", "timezone": "Europe/Rome", "week": "2018-W21"}
    options = [word for name, value in arguments.items() for word in (f"--{name}", value)]
    out = beside_service / "feed.zip"
    done = CliRunner().invoke(command, ["export", "gtfs", *options, "--out", str(out)])
    assert (done.exit_code, done.stdout) == (0, f"written to {out}\n")
    assert out.read_bytes() == client.get("/gtfs", params=arguments).content
    assert list(beside_service.iterdir()) == [out]


def test_an_export_that_fails_is_an_error_of_one_line_and_keeps_the_old_feed(
    beside_service: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = beside_service / "feed.zip"
    out.write_bytes(b"old")
    missing = beside_service / "missing" / "feed.zip"

    def said(region: str, *more: str, to: Path = out) -> str:
        return failure(monkeypatch, capsys, "export", "gtfs", "--region", region, *more, "--out", str(to))

    assert said("Nowhere") == "shifts: Region Nowhere not found\n"
    assert said("Turin", "--week", "2001-W01") == "shifts: Region Turin has no shifts in 2001-W01\n"
    assert "timezone: a name of the IANA time zone" in said("Turin", "--timezone", "Rome")
    assert said("Turin", to=missing) == f"shifts: {missing}: No such file or directory\n"
    monkeypatch.setenv("SHIFTS_API_PORT", "1")
    assert "is not running: start it with `shifts up`" in said("Turin")
    assert [(path, path.read_bytes()) for path in beside_service.iterdir()] == [(out, b"old")]


@pytest.mark.parametrize(
    ("path", "parameters", "status"),
    [
        ("/shifts", {"region": "Nowhere"}, 404),
        ("/shifts", {**TURIN, "weekday": "someday"}, 400),
        ("/shifts", {**TURIN, "weekdays": "mon,someday"}, 400),
        ("/shifts", {**TURIN, "time": "08:00"}, 400),
        ("/shifts", {**TURIN, "zone": "nowhere"}, 404),
        ("/shifts", {**TURIN, "cursor": "9999999999999999-1"}, 400),
        ("/shifts/1", {}, 404),
        ("/shifts/1/trips", {}, 404),
        ("/trips/1/shift", {}, 404),
        ("/fleet", TURIN, 400),
        ("/fleet", {"region": "Nowhere", "weekday": "tue"}, 404),
        ("/gtfs", {**TURIN, "week": "2001-W01"}, 404),
        ("/gtfs", {**TURIN, "timezone": "Rome"}, 400),
    ],
)
def test_wrong_requests_get_a_message(
    client: httpx.Client, path: str, parameters: dict[str, str], status: int
) -> None:
    answer = client.get(path, params=parameters)
    assert (answer.status_code, list(answer.json())) == (status, ["message"])
