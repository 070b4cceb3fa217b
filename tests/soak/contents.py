"""Contents of files: random trips from a seed as CSV, gzipped CSV or Parquet, some with rejects, some invalid."""

import gzip
import hashlib
import io
import random
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

HEADER = "region,origin_coord,destination_coord,datetime,datasource"
REGIONS = ("Turin", "Hamburg", "Praha $1 & Čas", "Nice")
"""Regions of files; one contains special characters."""
POST_REGIONS = ("Bern", "Turin")
"""Regions of posted trips: one that only posts have and one that files have as well."""
SOURCES = ("baba_car", "funny_car", "cheap_mobile")
FIRST_WEEK = date(2018, 4, 30)
WEEKS = 4
_CENTRES = {
    "Turin": (7.67, 45.05),
    "Hamburg": (10.0, 53.55),
    "Praha $1 & Čas": (14.42, 50.08),
    "Nice": (7.26, 43.7),
    "Bern": (7.44, 46.95),
}
_BAD_LINES = (
    "{region},POINT (1 1),nowhere,2018-05-28 10:00:00,baba_car",
    "{region},POINT (7.6 45.0),POINT (7.7 95.0),2018-05-28 10:00:00,baba_car",
    "{region},POINT (7.6 45.0),POINT (7.7 45.0),2018-02-30 10:00:00,baba_car",
    "only,three,fields",
)
_ALL_BAD_LINES = frozenset(line.format(region=region) for line in _BAD_LINES for region in REGIONS)
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Trips:
    """Trips as columns of equal length."""

    regions: NDArray[np.str_]
    points: NDArray[np.float64]
    """Shape (n, 4): origin longitude and latitude, destination longitude and latitude, degrees."""
    started_at: NDArray[np.int64]
    """Microseconds since 1970-01-01, local wall clock."""
    sources: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.started_at)

    @cached_property
    def weeks(self) -> NDArray[np.int64]:
        """Weeks since Monday 1969-12-29."""
        return (self.started_at // 86_400_000_000 + 3) // 7

    def of_region(self, region: str) -> "Trips":
        """The trips of one region."""
        chosen = self.regions == region
        return Trips(self.regions[chosen], self.points[chosen], self.started_at[chosen], self.sources[chosen])


def monday(week: int) -> date:
    """The Monday of a week of `Trips.weeks`."""
    return date(1969, 12, 29) + timedelta(weeks=week)


def join(parts: list[Trips]) -> Trips:
    """Concatenates several lists of trips."""
    if not parts:
        return Trips(np.empty(0, "U1"), np.empty((0, 4)), np.empty(0, np.int64), np.empty(0, "U1"))
    return Trips(
        np.concatenate([part.regions for part in parts]),
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.started_at for part in parts]),
        np.concatenate([part.sources for part in parts]),
    )


@dataclass(frozen=True, eq=False)
class Content:
    """The bytes of a file and the result of loading them."""

    number: int
    suffix: str
    data: bytes = field(repr=False)
    trips: Trips = field(repr=False)
    rejected_lines: tuple[int, ...] = field(repr=False)
    is_broken: bool
    """Whether the whole file is invalid."""

    @cached_property
    def sha256(self) -> str:
        """The hash of the bytes in the ledger."""
        return hashlib.sha256(self.data).hexdigest()

    def __repr__(self) -> str:
        state = "broken" if self.is_broken else f"{len(self.trips)} trips"
        return f"content {self.number} ({state}, {self.suffix})"


def random_trips(rng: random.Random, count: int, regions: tuple[str, ...]) -> Trips:
    """Half of the trips are commutes on a few routes; some coordinates have all digits of a double."""
    rows = [_random_trip(rng, rng.choice(regions)) for _ in range(count)]
    return Trips(
        np.array([row[0] for row in rows]),
        np.array([row[1] for row in rows]),
        np.array([row[2] for row in rows], np.int64),
        np.array([row[3] for row in rows]),
    )


def random_content(rng: random.Random, number: int) -> Content:
    """The content with this number: mostly small, one in fifteen with thousands of rows, one in twelve invalid."""
    suffix = rng.choices((".csv", ".csv.gz", ".parquet"), (6, 3, 2))[0]
    if rng.random() < 1 / 12:
        return _broken(rng, number, suffix)
    count = rng.randint(2_000, 8_000) if rng.random() < 1 / 15 else rng.randint(1, 300)
    trips = random_trips(rng, count, REGIONS if rng.random() < 0.5 else (rng.choice(REGIONS),))
    lines = [_line(trips, row) for row in range(count)]
    rejected: list[int] = []
    if suffix != ".parquet" and rng.random() < 1 / 4:
        for _ in range(rng.randint(1, max(1, count // 4))):
            place = rng.randint(0, len(lines))
            lines.insert(place, rng.choice(_BAD_LINES).format(region=rng.choice(REGIONS)))
        rejected = [place + 2 for place, line in enumerate(lines) if line in _ALL_BAD_LINES]
    data = _parquet(trips) if suffix == ".parquet" else _text(suffix, number, lines)
    return Content(number, suffix, data, trips, tuple(rejected), False)


def _random_trip(rng: random.Random, region: str) -> tuple[str, tuple[float, ...], int, str]:
    lon, lat = _CENTRES[region]
    day = rng.randrange(7 * WEEKS)
    if rng.random() < 0.5:
        route = rng.randrange(4)
        ends = (lon - 0.02 + route * 0.01, lat + 0.01, lon + 0.03, lat - 0.02 + route * 0.008)
        spread, second = 0.0012, 8 * 3600 + route * 1800 + rng.randrange(1500)
    else:
        ends, spread, second = (lon, lat, lon, lat), 0.06, rng.randrange(86_400)
    point = tuple(end + rng.uniform(-spread, spread) for end in ends)
    if rng.random() < 0.7:
        point = tuple(round(value, 6) for value in point)
    moment = datetime.combine(FIRST_WEEK, datetime.min.time()) + timedelta(days=day, seconds=second)
    micros = (moment - _EPOCH) // timedelta(microseconds=1)
    return region, point, micros, rng.choice(SOURCES)


def moment_of(micros: int) -> str:
    """A trip's start as text for files and posts."""
    return f"{_EPOCH + timedelta(microseconds=micros):%Y-%m-%d %H:%M:%S}"


def _wkt(lon: float, lat: float) -> str:
    return f"POINT ({float(lon)!r} {float(lat)!r})"


def _line(trips: Trips, row: int) -> str:
    point = trips.points[row]
    return ",".join(
        (
            str(trips.regions[row]),
            _wkt(point[0], point[1]),
            _wkt(point[2], point[3]),
            moment_of(int(trips.started_at[row])),
            str(trips.sources[row]),
        )
    )


def _text(suffix: str, number: int, lines: list[str]) -> bytes:
    # The number in an ignored column makes the bytes of every content unique.
    rows = [f"{HEADER},soak_{number}", *(f"{line}," for line in lines)]
    data = ("\n".join(rows) + "\n").encode()
    return gzip.compress(data, compresslevel=1, mtime=0) if suffix == ".csv.gz" else data


def _parquet(trips: Trips) -> bytes:
    points = trips.points
    table = pa.table(
        {
            "region": pa.array(trips.regions.tolist()),
            "origin_coord": pa.array([_wkt(point[0], point[1]) for point in points]),
            "destination_coord": pa.array([_wkt(point[2], point[3]) for point in points]),
            "datetime": pa.array([moment_of(int(micros)) for micros in trips.started_at]),
            "datasource": pa.array(trips.sources.tolist()),
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _broken(rng: random.Random, number: int, suffix: str) -> Content:
    trips = random_trips(rng, rng.randint(1, 50), REGIONS)
    if suffix == ".parquet":
        data = _parquet(trips)[: -rng.randint(5, 40)] + str(number).encode()
    elif suffix == ".csv.gz":
        data = _text(suffix, number, [_line(trips, row) for row in range(len(trips))])[: -rng.randint(9, 20)]
    else:
        data = (
            f"region,origin_coord,datetime,soak_{number}\nTurin,POINT (1 1),2018-05-28 10:00:00,\n".encode()
        )
    return Content(number, suffix, data, join([]), (), True)
