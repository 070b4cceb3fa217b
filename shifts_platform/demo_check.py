"""What `shifts demo` shows: a generated sample dropped, followed to its answers, and the answers checked."""

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
from shifts_platform.generator.trips import TripChunk, generate_trips

FILE_NAME = "demo.csv"
TRIPS, SEED = 100_000, 7
_REGION = "Turin"
_MARGIN_DEGREES = 0.03
_SHOWN = 5
_FEWEST = 3


@dataclass(frozen=True)
class Question:
    """A box and what the API must say about it."""

    region: str
    west: float
    south: float
    east: float
    north: float
    mean: float
    """Trips a week with both ends in the box, counted one by one."""
    last_week: str
    """ISO week with the region's last trips."""


def drop_sample(landing: str) -> Question:
    """Writes the sample into the landing zone; what is asked about it afterwards."""
    chunks = list(generate_trips(TRIPS, seed=SEED))
    with open_zone(landing).write(FILE_NAME) as file:
        file.write(HEADER)
        for chunk in chunks:
            file.write(format_csv(chunk))
    return _question(chunks)


def _question(chunks: list[TripChunk]) -> Question:
    """The middle of a city, and the trips in it counted the plain way."""
    regions = np.concatenate([np.array(chunk.regions)[chunk.region] for chunk in chunks])
    mine = regions == _REGION
    ends = np.concatenate([chunk.ends for chunk in chunks])[mine]
    weeks = np.concatenate([chunk.moments for chunk in chunks])[mine].astype("datetime64[D]")
    mondays = weeks - (weeks.astype(np.int64) - 4) % 7
    lon, lat = np.round(np.median(ends.reshape(-1, 2), axis=0), 2).tolist()
    west, south = round(lon - _MARGIN_DEGREES, 2), round(lat - _MARGIN_DEGREES, 2)
    east, north = round(lon + _MARGIN_DEGREES, 2), round(lat + _MARGIN_DEGREES, 2)
    inside = ((ends >= [west, south] * 2) & (ends <= [east, north] * 2)).all(axis=1)
    counts = np.unique(mondays[inside], return_counts=True)[1]
    return Question(_REGION, west, south, east, north, float(counts.mean()), f"{mondays.max().item():%G-W%V}")


def wait_until_answered(
    api_url: str, database_url: str, drop: Callable[[], Question], say: Callable[[str], None]
) -> Question:
    """Drops the sample once the feed is open, and follows the feed until all its weeks are grouped.

    Raises:
        PlatformError: the file or a run failed.
    """
    question: Question | None = None
    loaded = False
    for event in follow_feed(api_url, "run.started,run.failed,file.loaded,file.failed,run.succeeded"):
        if event is None:
            question = drop()
            say(f"dropped {FILE_NAME}: {TRIPS:,} generated trips")
            continue
        message = event.data.get("message", "")
        if event.type in ("file.failed", "run.failed"):
            raise PlatformError(message)
        if event.type == "file.loaded" and event.data.get("partition") == FILE_NAME:
            loaded = True
            say(message)
        if loaded and question is not None and _is_grouped(database_url):
            return question
    raise PlatformError("the feed ended")


def _is_grouped(database_url: str) -> bool:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT NOT EXISTS (SELECT FROM shifts_store.stale_weeks)").fetchone()
    return row == (True,)


def show_answers(api_url: str, question: Question, say: Callable[[str], None]) -> None:
    """Prints the weekly mean and the best groups.

    Raises:
        PlatformError: an answer is not what the plain counts say.
    """
    box = {"nortest": f"{question.east},{question.north}", "southest": f"{question.west},{question.south}"}
    mean = _get(f"{api_url}/api/v1/trips/stats", {"region": question.region, **box})["mean"]
    say(f"\n{question.region}, box {question.west},{question.south} to {question.east},{question.north}:")
    say(f"  {mean:,.1f} trips a week on average")
    if mean is None or not math.isclose(mean, question.mean, rel_tol=1e-12):
        raise PlatformError(f"the weekly mean is {mean}, counted one by one it is {question.mean}")
    where = {"region": question.region, "week": question.last_week, "limit": str(_SHOWN)}
    groups = _get(f"{api_url}/api/v1/clusters", where)["features"]
    say(f"\nlargest groups of similar trips, {question.region}, week {question.last_week}:")
    say(f"  {'trips':>5}  {'time of day':<13} {'from':<18} {'to':<18} {'radius':>6}")
    for group in groups:
        known, (origin, destination) = group["properties"], group["geometry"]["coordinates"]
        window = f"{known['earliest'][:5]} - {known['latest'][:5]}"
        say(
            f"  {known['trips']:>5}  {window:<13} {_place(origin):<18} {_place(destination):<18}"
            f" {known['radius_m']:>4.0f} m"
        )
    if len(groups) < _FEWEST:
        raise PlatformError(f"only {len(groups)} groups were found, at least {_FEWEST} were planted")


def _place(point: list[float]) -> str:
    return f"{point[0]:.4f},{point[1]:.4f}"


def _get(url: str, parameters: dict[str, str]) -> dict[str, Any]:
    answer = httpx.get(url, params=parameters, timeout=30)
    if answer.status_code != httpx.codes.OK:
        raise PlatformError(f"{url} answers {answer.status_code}: {answer.text}")
    body: dict[str, Any] = answer.json()
    return body
