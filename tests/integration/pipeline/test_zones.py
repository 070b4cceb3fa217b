"""Files of zones: read into the database, replaced and removed, beside zones that the API stored."""

import json
from typing import Any

from shifts_pipeline.assets.zones import FILES_CAN_BE_USED
from tests.integration.pipeline.harness import HEADER, Pipeline, row

SQUARE = [[[7.1, 45.0], [8.0, 45.0], [8.0, 46.0], [7.1, 46.0], [7.1, 45.0]]]
TRIANGLE = [[[7.1, 45.0], [8.0, 45.0], [8.0, 46.0], [7.1, 45.0]]]
BOW_TIE = [[[7, 45], [8, 46], [8, 45], [7, 46], [7, 45]]]
ZONES = "SELECT region, name, ST_NPoints(geometry) FROM shifts.zones ORDER BY region, name"


def collection(**zones: Any) -> str:
    features = [
        {
            "type": "Feature",
            "properties": {"name": name},
            "geometry": {"type": "Polygon", "coordinates": coordinates},
        }
        for name, coordinates in zones.items()
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


def test_zones_follow_the_file_of_their_region(pipeline: Pipeline) -> None:
    pipeline.put("trips.csv", HEADER + row("Turin"))
    pipeline.put("zones/Turin.geojson", collection(north=SQUARE, south=SQUARE))
    pipeline.put("zones/Milan.geojson", collection(north=TRIANGLE))
    (run,) = pipeline.load_reference_files()
    assert run.success
    assert pipeline.load_reference_files() == []
    assert pipeline.query(ZONES) == [("Milan", "north", 4), ("Turin", "north", 5), ("Turin", "south", 5)]
    stored = pipeline.query("SELECT ST_AsGeoJSON(geometry, 17) FROM shifts_store.zones WHERE name = 'south'")
    assert json.loads(stored[0][0])["coordinates"] == SQUARE

    pipeline.put("zones/Turin.geojson", collection(north=TRIANGLE, east=SQUARE))
    pipeline.load_reference_files()
    assert pipeline.query(ZONES) == [("Milan", "north", 4), ("Turin", "east", 5), ("Turin", "north", 4)]
    (pipeline.landing / "zones/Milan.geojson").unlink()
    pipeline.load_reference_files()
    assert pipeline.query(ZONES) == [("Turin", "east", 5), ("Turin", "north", 4)]
    assert [name for (name,) in pipeline.query("SELECT name FROM shifts_store.trip_files")] == ["trips.csv"]


def test_zones_of_the_api_stay_unless_a_file_has_them(pipeline: Pipeline) -> None:
    square = "ARRAY[ST_AsBinary('POLYGON((0 0, 1 0, 1 1, 0 1, 0 0))'::geometry)]"

    def put(name: str) -> None:
        pipeline.execute(f"SELECT shifts_store.put_zones(ARRAY['{name}'], '{{Turin}}', {square})")

    put("west")
    put("north")
    pipeline.put("zones/Turin.geojson", collection(north=TRIANGLE, south=TRIANGLE))
    pipeline.load_reference_files()
    assert pipeline.query(ZONES) == [("Turin", "north", 4), ("Turin", "south", 4), ("Turin", "west", 5)]
    put("south")
    (pipeline.landing / "zones/Turin.geojson").unlink()
    pipeline.load_reference_files()
    assert pipeline.query(ZONES) == [("Turin", "south", 5), ("Turin", "west", 5)]


def test_a_file_that_cannot_be_used_leaves_its_zones_and_says_why(pipeline: Pipeline) -> None:
    pipeline.put("zones/Turin.geojson", collection(north=SQUARE))
    pipeline.load_reference_files()
    pipeline.put("zones/Turin.geojson", collection(north=TRIANGLE, bow=BOW_TIE))
    pipeline.put("zones/Turin.csv", "?")
    pipeline.put("zones/Milan.geojson", "{")
    (run,) = pipeline.load_reference_files()
    (check,) = run.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == (FILES_CAN_BE_USED, False)
    assert str(check.description).split("; ") == [
        "zones/Milan.geojson: the file is not GeoJSON: Expecting property name enclosed in double quotes: line 1"
        " column 2 (char 1)",
        "zones/Turin.csv: the name of a file of zones is zones/REGION.geojson",
        "zones/Turin.geojson: features.1.geometry: self-intersection at 7.5 45.5",
    ]
    assert pipeline.query(ZONES) == [("Turin", "north", 5)]
    assert pipeline.load_reference_files() == []
    (files,) = [event.metadata["files"].value for event in run.asset_materializations_for_node("zones")]
    assert files.records[-1].data["zones"] == 1  # type: ignore[union-attr]
