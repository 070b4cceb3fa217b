"""`/trips/weekly` on small data: which trips match, which weeks count, what the mean divides by."""

from typing import Any

import httpx
import pytest

from tests.integration.api.pipeline import pipeline_of
from tests.integration.api.running import Service, posted, trip
from tests.integration.pipeline.harness import HEADER, row

IN, OUT = (7.65, 45.05), (7.9, 45.3)
BOX = "7.6,45.0,7.7,45.1"
TRIPS = [
    # Two weeks with trips that begin and end in the box, a week without and a week with one end in it between them.
    ("2018-05-02 07:00:00", IN, IN),
    ("2018-05-03 07:00:00", IN, IN),
    ("2018-05-03 08:00:00", IN, OUT),
    ("2018-05-09 07:00:00", OUT, OUT),
    ("2018-05-16 07:00:00", OUT, IN),
    ("2018-05-24 07:00:00", IN, IN),
]


@pytest.fixture(scope="module", autouse=True)
def refreshed(service: Service) -> None:
    """Loads trips and builds their tiles; trips that tests post are pending."""
    with pipeline_of(service) as pipeline:
        rows = [row("Turin", moment, origin, destination) for moment, origin, destination in TRIPS]
        pipeline.put("trips.csv", HEADER + "".join(rows))
        pipeline.load()
        pipeline.refresh()
        assert pipeline.query("SELECT count(*) FROM shifts_store.stale_weeks") == [(0,)]


def weekly(client: httpx.Client, **parameters: str) -> dict[str, Any]:
    response = client.get("/trips/weekly", params={"region": "Turin", "bbox": BOX, **parameters})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


@pytest.mark.parametrize(
    ("match", "weeks", "mean", "num_weeks", "total"),
    [
        ("both", "active", 1.5, 2, 3),
        ("origin", "active", 2.0, 2, 4),
        ("destination", "active", 4 / 3, 3, 4),
        ("any", "active", 5 / 3, 3, 5),
        ("both", "span", 0.75, 4, 3),
        ("origin", "span", 1.0, 4, 4),
        # The trips reach neither the first Monday nor the last Sunday.
        ("both", "full", None, 2, 0),
        ("any", "full", 0.5, 2, 1),
    ],
)
def test_the_mean_divides_matching_trips_by_the_weeks_that_count(
    client: httpx.Client, match: str, weeks: str, mean: float | None, num_weeks: int, total: int
) -> None:
    found = weekly(client, match=match, weeks=weeks)
    assert (found["mean"], found["num_weeks"], found["total_trips"]) == (mean, num_weeks, total)


def test_an_answer_contains_its_filter_and_its_time(client: httpx.Client) -> None:
    found = weekly(client, **{"from": "2018-W18", "to": "2018-05-20"})
    assert found["series"] == [{"week": "2018-W18", "monday": "2018-04-30", "trips": 2}]
    assert found["filter"] == {
        "region": "Turin",
        "bbox": {"west": 7.6, "south": 45.0, "east": 7.7, "north": 45.1},
        "geometry": None,
        "zone": None,
        "match": "both",
        "weekdays": None,
        "time": None,
        "weeks": "active",
        "from_week": "2018-W18",
        "to_week": "2018-W20",
    }
    assert found["as_of"].startswith("20")


@pytest.mark.parametrize(
    ("first", "last", "num_weeks", "total"),
    [
        ("2018-W18", "2018-W21", 4, 3),
        ("2018-W19", "2018-W21", 3, 1),
        ("2018-05-06", "2018-05-07", 2, 2),
        ("2018-05-07", "2018-05-13", 1, 0),
        ("2017-W01", "2030-W01", 4, 3),
        ("2018-W22", "2018-W30", 0, 0),
        ("2018-W21", "2018-W18", 0, 0),
    ],
)
def test_from_and_to_are_weeks_or_dates_in_weeks_that_count_completely(
    client: httpx.Client, first: str, last: str, num_weeks: int, total: int
) -> None:
    found = weekly(client, weeks="span", **{"from": first, "to": last})
    assert (found["num_weeks"], found["total_trips"]) == (num_weeks, total)


def test_a_week_belongs_to_the_year_of_its_thursday(client: httpx.Client) -> None:
    moments = [
        "2015-12-28 00:00:00",
        "2016-01-03 23:59:59",
        "2016-01-04 00:00:00",
        "2020-12-31 12:00:00",
        "2021-01-03 23:59:59.999999",
    ]
    trips = [trip(region="Years", timestamp=m, origin=[1, 1], destination=[1, 1]) for m in moments]
    assert client.post("/trips", json=posted(*trips)).status_code == 201
    found = weekly(client, region="Years", bbox="0,0,2,2")
    assert [(w["week"], w["trips"]) for w in found["series"]] == [
        ("2015-W53", 2),
        ("2016-W01", 1),
        ("2020-W53", 2),
    ]
    assert found["mean"] == 5 / 3
    assert weekly(client, region="Years", bbox="0,0,2,2", weeks="span")["num_weeks"] == 262
    only = weekly(client, region="Years", bbox="0,0,2,2", **{"from": "2015-W53", "to": "2015-W53"})
    assert only["total_trips"] == 2


def test_full_leaves_out_a_first_and_a_last_week_that_trips_do_not_fill(client: httpx.Client) -> None:
    moments = ["2018-05-07 00:10:00", "2018-05-16 12:00:00", "2018-05-27 23:00:00"]
    trips = [trip(region="Full", timestamp=m, origin=[1, 1], destination=[1, 1]) for m in moments]
    assert client.post("/trips", json=posted(*trips)).status_code == 201
    found = weekly(client, region="Full", bbox="0,0,2,2", weeks="full")
    assert (found["num_weeks"], found["total_trips"]) == (3, 3)


def test_a_box_may_cross_the_antimeridian(client: httpx.Client) -> None:
    ends = ([179.5, 0], [-179.5, 0], [180, 0], [-180, 0], [0, 0], [178, 0])
    trips = [trip(region="Fiji", origin=end, destination=[-179.9, 0.5]) for end in ends]
    assert client.post("/trips", json=posted(*trips)).status_code == 201
    assert weekly(client, region="Fiji", bbox="179,-1,-179,1")["total_trips"] == 4
    assert weekly(client, region="Fiji", bbox="-179,-1,179,1", match="origin")["total_trips"] == 2
    assert weekly(client, region="Fiji", bbox="180,-1,-180,1", match="origin")["total_trips"] == 2


def test_a_region_whose_trips_were_all_deleted_has_no_mean(client: httpx.Client, service: Service) -> None:
    with pipeline_of(service) as pipeline:
        pipeline.put("gone.csv", HEADER + row("Gone"))
        pipeline.load()
        pipeline.refresh()
        assert weekly(client, region="Gone", bbox="0,0,90,90")["total_trips"] == 1
        pipeline.put("gone.csv", HEADER + row("Here"))
        pipeline.load()
    for weeks in ("active", "span", "full"):
        found = weekly(client, region="Gone", bbox="0,0,90,90", weeks=weeks)
        assert (found["mean"], found["num_weeks"], found["series"]) == (None, 0, [])


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"region": "Nowhere"}, "Region Nowhere not found"),
        ({"bbox": "7.6,45.0,7.7"}, "bbox"),
        ({"bbox": "7.6,45.2,7.7,45.1"}, "bbox"),
        ({"from": "2018-W60"}, "from"),
        ({"to": "2018-02-30"}, "to"),
        ({"match": "neither"}, "match"),
        ({"weeks": "some"}, "weeks"),
    ],
)
def test_an_invalid_parameter_is_refused_with_its_name(
    client: httpx.Client, parameters: dict[str, str], said: str
) -> None:
    response = client.get("/trips/weekly", params={"region": "Turin", "bbox": BOX, **parameters})
    assert response.status_code == 400
    assert said in response.json()["message"]
