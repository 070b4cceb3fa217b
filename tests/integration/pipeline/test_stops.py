"""Files of stops: read into the database, used by the shifts of their region, replaced and removed."""

import json

import psycopg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from shifts_pipeline.asset_keys import SHIFTS
from shifts_pipeline.assets.stops import FILES_CAN_BE_USED
from shifts_pipeline.sensors.landing_zone import landing_zone
from shifts_pipeline.storage.shifts import refresh
from shifts_pipeline.storage.shifts.violations import TRIPS_FIT
from shifts_pipeline.storage.shifts.write import replace_makings
from shifts_platform.commands.reference_files import show_reference_files
from tests.integration.pipeline.harness import HEADER, Pipeline, row

WEEK = "2018-05-28"
PICKUP, DROPOFF = (7.67, 45.01), (7.72, 45.06)
NEAR = "name,lat,lon\nSquare,45.011,7.67\nFar,45.2,7.9\n"
PLACES = (
    "SELECT r.name, s.pickup_stop, s.dropoff_stop, ST_X(s.pickup), ST_Y(s.pickup), round(s.pickup_walk_m),"
    " round(s.pickup_walk_max_m) FROM shifts_store.shifts s JOIN shifts_store.regions r USING (region_id) ORDER BY 1"
)
AT_TRIP = (None, None, *PICKUP, 0.0, 0.0)
AT_SQUARE = ("Square", None, 7.67, 45.011, 111.0, 111.0)


@pytest.fixture
def loaded(pipeline: Pipeline) -> Pipeline:
    """Two regions with a commute each, and their shifts."""
    commute = [f"{WEEK} 08:{minute:02}:00" for minute in range(8)]
    pipeline.put(
        "a.csv", HEADER + "".join(row(region, at) for region in ("Prague", "Turin") for at in commute)
    )
    pipeline.load()
    pipeline.refresh()
    pipeline.make_shifts()
    assert pipeline.query(PLACES) == [("Prague", *AT_TRIP), ("Turin", *AT_TRIP)]
    return pipeline


def test_shifts_of_the_region_move_to_stops_and_back(loaded: Pipeline) -> None:
    loaded.put("stops/Turin.csv", NEAR)
    (run,) = loaded.load_reference_files()
    assert run.success
    assert loaded.load_reference_files() == []
    (made,) = loaded.make_shifts()
    assert (TRIPS_FIT, True) in {
        (check.check_name, check.passed) for check in made.get_asset_check_evaluations()
    }
    assert loaded.query(PLACES) == [("Prague", *AT_TRIP), ("Turin", *AT_SQUARE)]
    assert loaded.query("SELECT * FROM shifts_store.failed_pair_checks") == []
    assert loaded.query("SELECT region, name FROM shifts.stops ORDER BY name") == [
        ("Turin", "Far"),
        ("Turin", "Square"),
    ]
    loaded.put("stops/Turin.csv", "lon,lat,name\n7.72,45.06,Park\n")
    loaded.load_reference_files()
    loaded.make_shifts()
    assert loaded.query(PLACES)[1] == ("Turin", None, "Park", *PICKUP, 0.0, 0.0)
    (loaded.landing / "stops/Turin.csv").unlink()
    loaded.load_reference_files()
    loaded.make_shifts()
    assert loaded.query(PLACES)[1] == ("Turin", *AT_TRIP)
    assert loaded.query("SELECT * FROM shifts.stops") == []
    assert loaded.ledger() == {"a.csv": ("loaded", 16, 0)}


def test_other_regions_are_not_made_again(loaded: Pipeline) -> None:
    makings = "shifts_store.shift_makings JOIN shifts_store.regions USING (region_id)"
    made_at = f"SELECT made_at FROM {makings} WHERE name = %s"
    before = [loaded.query(made_at, region) for region in ("Prague", "Turin")]
    loaded.put("stops/Turin.csv", NEAR)
    loaded.load_reference_files()
    assert loaded.make_shifts()
    after = [loaded.query(made_at, region) for region in ("Prague", "Turin")]
    assert (after[0] == before[0], after[1] == before[1]) == (True, False)
    graph = loaded.defs.get_repository_def().asset_graph
    context = LoadingContextForTest(loaded.instance)
    resolver = CachingStaleStatusResolver(loaded.instance, graph, loading_context=context)
    assert resolver.get_status(SHIFTS, WEEK) == StaleStatus.FRESH


def test_the_same_stops_in_another_order_or_form_change_nothing(loaded: Pipeline) -> None:
    loaded.put("stops/Turin.csv", NEAR)
    loaded.load_reference_files()
    loaded.make_shifts()
    loaded.put("stops/Turin.csv", "name,lat,lon\nFar,45.2,7.9\nSquare,45.011,7.67\n")
    assert len(loaded.load_reference_files()) == 1
    assert loaded.make_shifts() == []
    feed = "stop_id,stop_name,stop_lat,stop_lon\n1,Square,45.011,7.67\n2,Far,45.2,7.9\n"
    loaded.put("stops/Turin/stops.txt", feed)
    (loaded.landing / "stops/Turin.csv").unlink()
    loaded.load_reference_files()
    loaded.make_shifts()
    assert loaded.query(PLACES)[1] == ("Turin", *AT_SQUARE)


def test_stops_that_come_before_the_trips_are_used(pipeline: Pipeline) -> None:
    point = {"type": "Point", "coordinates": [7.67, 45.011]}
    features = [{"type": "Feature", "properties": {"name": "Square"}, "geometry": point}]
    pipeline.put("stops/Turin.geojson", json.dumps({"type": "FeatureCollection", "features": features}))
    (run,) = pipeline.load_reference_files()
    (files,) = [event.metadata["files"].value for event in run.asset_materializations_for_node("stops")]
    assert files.records[0].data["remark"] == "no trips of this region yet"  # type: ignore[union-attr]
    pipeline.put("a.csv", HEADER + "".join(row(moment=f"{WEEK} 08:{minute:02}:00") for minute in range(8)))
    pipeline.load()
    pipeline.refresh()
    pipeline.make_shifts()
    assert pipeline.query(PLACES) == [("Turin", *AT_SQUARE)]


def test_a_file_that_cannot_be_used_leaves_its_stops_and_says_why(
    loaded: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded.put("stops/Turin.csv", NEAR)
    loaded.load_reference_files()
    loaded.make_shifts()
    loaded.put("stops/Turin.csv", "name,lat\nSquare,45.011\n")
    loaded.put("stops/readme.txt", "?")
    (run,) = loaded.load_reference_files()
    (check,) = run.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == (FILES_CAN_BE_USED, False)
    capsys.readouterr()
    assert check.description == (
        "stops/Turin.csv: the file has no column lon, longitude or stop_lon; stops/readme.txt: the name of a file of"
        " stops is stops/REGION.csv, stops/REGION.geojson or stops/REGION/stops.txt"
    )
    with psycopg.connect(loaded.url) as connection:
        show_reference_files(connection)
    summary, first, _ = capsys.readouterr().out.strip().splitlines()
    assert summary == "2 stops of 2 files"
    assert first == "  stops/Turin.csv: the file has no column lon, longitude or stop_lon"
    assert loaded.load_reference_files() == []
    assert loaded.make_shifts() == []
    assert loaded.query(PLACES)[1] == ("Turin", *AT_SQUARE)
    loaded.put("stops/Turin.csv", NEAR + "nowhere,x,y\n")
    (loaded.landing / "stops/readme.txt").unlink()
    (run,) = loaded.load_reference_files()
    assert [check.passed for check in run.get_asset_check_evaluations()] == [True]
    (metadata,) = [event.metadata for event in run.asset_materializations_for_node("stops")]
    assert metadata["rejected"].value.records[0].data == {  # type: ignore[union-attr]
        "file": "stops/Turin.csv",
        "line": 4,
        "reason": "longitude and latitude are not two numbers",
        "raw": "nowhere,x,y",
    }


def test_a_file_that_is_still_being_written_keeps_its_stops(loaded: Pipeline) -> None:
    loaded.put("stops/Turin.csv", NEAR)
    loaded.load_reference_files()
    # Not listed until nobody has written to it for some seconds.
    (loaded.landing / "stops/Turin.csv").write_text("name,lat,lon\n")
    assert loaded.load_reference_files() == []
    assert loaded.query("SELECT count(*) FROM shifts.stops") == [(2,)]


def test_stops_that_change_while_shifts_are_made_are_not_lost(
    loaded: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded.put("b.csv", HEADER + "".join(row(moment=f"{WEEK} 08:{minute:02}:30") for minute in range(8)))
    loaded.load()
    loaded.refresh()
    write = replace_makings

    def write_late(*arguments: object) -> object:
        if not (loaded.landing / "stops").exists():
            loaded.put("stops/Turin.csv", NEAR)
            loaded.load_reference_files()
        return write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(refresh, "replace_makings", write_late)
    assert len(loaded.make_shifts()) == 2
    assert loaded.query(PLACES)[1][:2] == ("Turin", "Square")


def test_one_run_at_a_time_reads_files_of_stops(loaded: Pipeline) -> None:
    loaded.put("stops/Turin.csv", NEAR)
    (request,) = loaded.tick(landing_zone).run_requests
    job = loaded.defs.resolve_job_def("load_stops")
    loaded.instance.create_run_for_job(job, tags=dict(request.tags))
    assert loaded.tick(landing_zone).run_requests == []
