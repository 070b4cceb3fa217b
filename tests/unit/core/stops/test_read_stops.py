"""Files of stops: which forms are read, which rows are rejected, which files fail."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifts_core.stops.names import region_of
from shifts_core.stops.read_stops import InvalidStopFile, RejectedStop, Stop, read_stops

STATION = Stop("Porta Susa", 7.665, 45.073)


def feature(coordinates: object = (7.665, 45.073), kind: str = "Point", **rest: object) -> dict[str, object]:
    return {"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}, **rest}


def collection(*features: object) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("name,lat,lon\nPorta Susa,45.073,7.665\n", "Porta Susa"),
        ("\ufeffLongitude,Latitude,id\r\n7.665,45.073,P1\r\n", "P1"),
        ("lon,lat\n7.665,45.073\n\n", "45.073000,7.665000"),
        (
            'stop_id,stop_name,stop_lat,stop_lon,location_type\nP1,"Porta\n Susa",45.073,7.665,\n',
            "Porta\n Susa",
        ),
        ("stop_id,stop_name,stop_lat,stop_lon,location_type\nP1,,45.073,7.665,0\nS,S,1,1,1\nE,,,,3\n", "P1"),
    ],
)
def test_csv_and_gtfs_stops_are_read(text: str, label: str) -> None:
    found = read_stops(text.encode(), "stops/Turin.csv", 0.5)
    assert found.stops == [Stop(label, 7.665, 45.073)]
    assert found.rejected == []


def test_geojson_points_are_read() -> None:
    named = feature(properties={"name": "Porta Susa"})
    numbered = feature((7.665, 45.073, 240.0), id=7)
    found = read_stops(collection(named, numbered), "stops/Turin.GeoJSON", 0.5)
    assert found.stops == [STATION, Stop("7", 7.665, 45.073)]


def test_bad_rows_are_rejected_with_their_line_and_reason() -> None:
    text = "name,lat,lon\nPorta Susa,45.073,7.665\nx,north,7\ny,45\nPorta Susa,45.073,7.665\nz,91,7\na,45.073,7.665\n"
    found = read_stops(text.encode(), "stops/Turin.csv", 0.5)
    assert found.stops == [STATION, STATION, Stop("a", 7.665, 45.073)]
    numbers = "longitude and latitude are not two numbers"
    assert found.rejected == [
        RejectedStop(3, numbers, "x,north,7"),
        RejectedStop(4, numbers, "y,45"),
        RejectedStop(6, "longitude is not from -180 to 180, or latitude not from -90 to 90", "z,91,7"),
    ]


def test_features_that_are_no_points_are_rejected() -> None:
    bad = [
        feature([[1, 2]], "LineString"),
        feature([True, 1]),
        feature([10**400, 1]),
        feature("77"),
        5,
        None,
        {},
    ]
    found = read_stops(collection(*[feature()] * 7, *bad), "stops/Turin.geojson", 0.5)
    assert len(found.stops) == 7
    assert [reject.line for reject in found.rejected] == list(range(8, 15))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("Turin.csv", b"", "no column lon, longitude or stop_lon"),
        ("Turin.csv", b"lon,name\n1,a\n", "no column lat, latitude or stop_lat"),
        ("Turin.csv", b"lon,lat\n", "no stops"),
        (
            "Turin.csv",
            b"lon,lat\n1,1\na,b\nc,d\n",
            "2 of 3 rows are rejected, the first in line 3: longitude",
        ),
        ("Turin.csv", b"lon,lat\n\xff,1\n", "byte 9 is not UTF-8"),
        ("Turin.geojson", b"{", "not JSON"),
        ("Turin.geojson", b"[" * 100_000, "not JSON"),
        ("Turin.geojson", b"[]", "not a GeoJSON feature collection"),
        ("Turin.geojson", collection(), "no stops"),
    ],
)
def test_a_file_that_cannot_be_used_says_what_to_correct(name: str, content: bytes, message: str) -> None:
    with pytest.raises(InvalidStopFile, match=message):
        read_stops(content, name, 0.5)


@given(st.text() | st.text('lonat,.\n"19-e \0\ud800'), st.sampled_from(["a.csv", "a.geojson"]))
def test_any_text_is_read_or_refused(text: str, name: str) -> None:
    for content in (text, "lon,lat,name\n" + text):
        try:
            found = read_stops(content.encode(errors="surrogatepass"), name, 1.0)
        except InvalidStopFile:
            continue
        assert all(stop.label.encode() for stop in found.stops)


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("stops/Turin.csv", "Turin"),
        ("stops/St. Gallen.geojson", "St. Gallen"),
        ("stops/Turin/stops.txt", "Turin"),
        ("stops/A/B.CSV", "A/B"),
    ],
)
def test_a_name_says_whose_stops_they_are(name: str, region: str) -> None:
    assert region_of(name) == region


@pytest.mark.parametrize(
    "name", ["stops/Turin.parquet", "stops/.csv", "stops/a/.csv", "stops/stops.txt", "stops/x"]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="stops/REGION"):
        region_of(name)
