"""The check behind `shifts demo`: drops a generated sample, waits for its results, prints and checks the answers."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import psycopg

from shifts_core.landing.open_zone import open_zone
from shifts_platform.errors import PlatformError
from shifts_platform.feed_client import follow_feed
from shifts_platform.generator.csv_text import HEADER, format_csv
from shifts_platform.generator.trips import TripChunk, generate_trips, plan_commutes
from shifts_platform.settings import PlatformSettings

FILE_NAME = "demo.csv"
TRIPS, SEED = 100_000, 7
_COMMUTES, _CHURN = 200, 0.1
_REGION = "Turin"
_WEEKDAY, _WEEKDAY_NAME = "tue", "Tuesdays"
_MARGIN_DEGREES = 0.03
_CLUSTERS_SHOWN = 5
_MIN_CLUSTERS = 3
_SHIFTS_SHOWN = 5


@dataclass(frozen=True)
class ExpectedAnswer:
    """A box in a region, and the weekly mean that the API must return for it."""

    region: str
    west: float
    south: float
    east: float
    north: float
    mean: float
    """Trips a week with both ends in the box, counted one by one in the generated sample."""
    last_week: str
    """ISO week of the region's last trip."""


def drop_sample(landing: str) -> ExpectedAnswer:
    """Writes the sample into the landing zone and returns what to expect of it."""
    commutes = plan_commutes(TRIPS, seed=SEED, commutes=_COMMUTES, churn=_CHURN)
    chunks = list(generate_trips(TRIPS, seed=SEED, commutes=commutes))
    with open_zone(landing).write(FILE_NAME) as file:
        file.write(HEADER)
        for chunk in chunks:
            file.write(format_csv(chunk))
    return _expect(chunks)


def _expect(chunks: list[TripChunk]) -> ExpectedAnswer:
    """Takes the middle of a city as the box and counts the sample's trips in it."""
    regions = np.concatenate([np.array(chunk.regions)[chunk.region] for chunk in chunks])
    mine = regions == _REGION
    ends = np.concatenate([chunk.od_coords for chunk in chunks])[mine]
    weeks = np.concatenate([chunk.moments for chunk in chunks])[mine].astype("datetime64[D]")
    mondays = weeks - (weeks.astype(np.int64) - 4) % 7
    lon, lat = np.round(np.median(ends.reshape(-1, 2), axis=0), 2).tolist()
    west, south = round(lon - _MARGIN_DEGREES, 2), round(lat - _MARGIN_DEGREES, 2)
    east, north = round(lon + _MARGIN_DEGREES, 2), round(lat + _MARGIN_DEGREES, 2)
    inside = ((ends >= [west, south] * 2) & (ends <= [east, north] * 2)).all(axis=1)
    counts = np.unique(mondays[inside], return_counts=True)[1]
    return ExpectedAnswer(
        _REGION, west, south, east, north, float(counts.mean()), f"{mondays.max().item():%G-W%V}"
    )


def wait_until_answered(
    settings: PlatformSettings,
    database_url: str,
    drop: Callable[[], ExpectedAnswer],
    echo: Callable[[str], None],
) -> ExpectedAnswer:
    """Drops the sample when the feed is open, and follows the feed until all its weeks are clustered and the
    shifts of its region are made.

    Raises:
        PlatformError: the file or a run failed.
    """
    expected: ExpectedAnswer | None = None
    loaded = False
    types = "run.started,run.failed,file.loaded,file.failed,run.succeeded"
    for event in follow_feed(settings.api_url, types, settings.api_headers):
        if event is None:
            expected = drop()
            echo(f"dropped {FILE_NAME}: {TRIPS:,} generated trips")
            continue
        message = event.data.get("message", "")
        if event.type in ("file.failed", "run.failed"):
            raise PlatformError(message)
        if event.type == "file.loaded" and event.data.get("partition") == FILE_NAME:
            loaded = True
            echo(message)
        if loaded and expected is not None and not _is_stale(database_url, expected.region):
            return expected
    raise PlatformError("the feed ended")


def _is_stale(database_url: str, region: str) -> bool:
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM shifts_store.stale_weeks) OR EXISTS ("
            " SELECT FROM shifts_store.region_weeks w JOIN shifts_store.regions r USING (region_id)"
            " WHERE r.name = %s AND w.shifts_revision <> w.revision)",
            [region],
        ).fetchone()
    return row == (True,)


def show_answers(settings: PlatformSettings, expected: ExpectedAnswer, echo: Callable[[str], None]) -> None:
    """Prints the weekly mean, the largest clusters, the best shifts of a day and the vehicles that they need.

    Raises:
        PlatformError: an answer is wrong.
    """
    _show_mean(settings, expected, echo)
    _show_clusters(settings, expected, echo)
    _show_shifts(settings, expected, echo)


def _show_mean(settings: PlatformSettings, expected: ExpectedAnswer, echo: Callable[[str], None]) -> None:
    box = {"nortest": f"{expected.east},{expected.north}", "southest": f"{expected.west},{expected.south}"}
    mean = _get(settings, "/trips/stats", {"region": expected.region, **box})["mean"]
    if mean is None or not math.isclose(mean, expected.mean, rel_tol=1e-12):
        raise PlatformError(f"the weekly mean is {mean}, but counting the sample gives {expected.mean}")
    echo(f"\n{expected.region}, box {expected.west},{expected.south} to {expected.east},{expected.north}:")
    echo(f"  {mean:,.1f} trips a week on average")


def _show_clusters(settings: PlatformSettings, expected: ExpectedAnswer, echo: Callable[[str], None]) -> None:
    parameters = {"region": expected.region, "week": expected.last_week, "limit": str(_CLUSTERS_SHOWN)}
    clusters = _get(settings, "/clusters", parameters)["features"]
    echo(f"\nlargest clusters of similar trips, {expected.region}, week {expected.last_week}:")
    echo(f"  {'trips':>5}  {'time of day':<13} {'from':<18} {'to':<18} {'radius':>6}")
    for cluster in clusters:
        properties, (origin, destination) = cluster["properties"], cluster["geometry"]["coordinates"]
        window = f"{properties['earliest'][:5]} - {properties['latest'][:5]}"
        echo(
            f"  {properties['trips']:>5}  {window:<13} {_place(origin):<18} {_place(destination):<18}"
            f" {properties['radius_m']:>4.0f} m"
        )
    if len(clusters) < _MIN_CLUSTERS:
        raise PlatformError(
            f"the sample has {_MIN_CLUSTERS} clusters or more, but only {len(clusters)} were found"
        )


def _show_shifts(settings: PlatformSettings, expected: ExpectedAnswer, echo: Callable[[str], None]) -> None:
    asked = {
        "region": expected.region,
        "week": expected.last_week,
        "weekday": _WEEKDAY,
        "limit": str(_SHIFTS_SHOWN),
    }
    shifts = _get(settings, "/shifts", asked)["features"]
    fleet = _get(settings, "/fleet", asked)
    echo(f"\nbest shifts on {_WEEKDAY_NAME}, {expected.region}, after week {expected.last_week}:")
    echo(f"  {'departs':<7}  {'riders':<14} {'from':<18} {'to':<18} weekdays")
    for shift in shifts:
        properties, (pickup, dropoff) = shift["properties"], shift["geometry"]["coordinates"]
        riders = f"{properties['riders']:.1f} ({properties['riders_low']} - {properties['riders_high']})"
        echo(
            f"  {properties['departs']:<7}  {riders:<14} {_place(pickup):<18} {_place(dropoff):<18}"
            f" {','.join(properties['weekdays'])}"
        )
    echo(f"\nthey need {fleet['vehicles']} vehicles with {fleet['capacity']} seats:")
    for number, roster in enumerate(fleet["rosters"], 1):
        drives = ", ".join(
            f"{entry['departs']} - {entry['arrives']} with {entry['riders']}" for entry in roster
        )
        echo(f"  vehicle {number}: {drives}")
    if len(shifts) < _SHIFTS_SHOWN:
        raise PlatformError(
            f"the sample has {_SHIFTS_SHOWN} shifts or more, but only {len(shifts)} were made"
        )
    driven = {entry["shift_id"] for roster in fleet["rosters"] for entry in roster}
    if driven != {shift["id"] for shift in shifts}:
        raise PlatformError("the vehicles do not drive the shifts that were asked for")


def _place(point: list[float]) -> str:
    return f"{point[0]:.4f},{point[1]:.4f}"


def _get(settings: PlatformSettings, path: str, parameters: dict[str, str]) -> dict[str, Any]:
    url = f"{settings.api_url}/api/v1{path}"
    answer = httpx.get(url, params=parameters, headers=settings.api_headers, timeout=30)
    if answer.status_code != httpx.codes.OK:
        raise PlatformError(f"{url} answers {answer.status_code}: {answer.text}")
    body: dict[str, Any] = answer.json()
    return body
