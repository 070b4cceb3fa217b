"""Reads files of stops: CSV with any columns of coordinates, `stops.txt` of a GTFS feed, or GeoJSON."""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shifts_core.trips.rules import MAX_FIELD_BYTES, is_on_earth

MAX_BYTES = 64 * 1024**2
_MAX_RAW = 1_000
_LONGITUDE = ("lon", "longitude", "stop_lon")
_LATITUDE = ("lat", "latitude", "stop_lat")
_NAMES = ("stop_name", "name")
_IDS = ("stop_id", "id")
_BOARDING = ("", "0")
"""Values of `location_type` of places where vehicles stop; GTFS feeds have stations and entrances, too."""


class InvalidStopFile(Exception):  # noqa: N818  names what is invalid
    """A file of stops cannot be used as a whole; the message says what to correct."""


@dataclass(frozen=True)
class Stop:
    """A place at which vehicles may stop."""

    label: str
    """Its name, its id if it has none, or else its coordinates."""
    longitude: float
    latitude: float


@dataclass(frozen=True)
class RejectedStop:
    """A row of a file that is not a stop."""

    line: int
    """Line of a CSV file, number of a GeoJSON feature; from 1."""
    reason: str
    raw: str


@dataclass(frozen=True)
class StopFile:
    """What a file holds."""

    stops: list[Stop]
    rejected: list[RejectedStop]


def read_stops(content: bytes, name: str, max_rejected_share: float) -> StopFile:
    """Read a file of stops.

    Rows of a GTFS feed that are stations, entrances or parts of stations are ignored.

    Args:
        content: bytes of the file.
        name: of the file; its suffix says what it is.
        max_rejected_share: largest share of rejected rows.

    Raises:
        InvalidStopFile: the file is not of its form, has no stop, or too many rows are rejected.
    """
    if len(content) > MAX_BYTES:
        raise InvalidStopFile(f"the file is larger than {MAX_BYTES // 1024**2} MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidStopFile(f"byte {error.start + 1} is not UTF-8") from None
    rows = _features(text) if name.lower().endswith(".geojson") else _csv_rows(text)
    stops: list[Stop] = []
    rejected: list[RejectedStop] = []
    for line, raw, values in rows:
        try:
            stops.append(_stop(values))
        except ValueError as error:
            rejected.append(RejectedStop(line, str(error), raw[:_MAX_RAW].replace("\0", "\\0")))
    read = len(stops) + len(rejected)
    if not read:
        raise InvalidStopFile("the file has no stops")
    if not stops or len(rejected) > max_rejected_share * read:
        first = rejected[0]
        raise InvalidStopFile(
            f"{len(rejected):,} of {read:,} rows are rejected, the first in line {first.line}: {first.reason}"
        )
    return StopFile(stops, rejected)


def _csv_rows(text: str) -> Iterator[tuple[int, str, Mapping[str, Any]]]:
    """Rows of a CSV file, with longitude, latitude and label under fixed names."""
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        longitude, latitude = _column(header, _LONGITUDE), _column(header, _LATITUDE)
        if longitude is None or latitude is None:
            missing = _LONGITUDE if longitude is None else _LATITUDE
            raise InvalidStopFile(f"the file has no column {', '.join(missing[:-1])} or {missing[-1]}")
        labels = [at for names in (_NAMES, _IDS) if (at := _column(header, names)) is not None]
        kind = _column(header, ("location_type",))
        for row in reader:
            if not row or (kind is not None and kind < len(row) and row[kind].strip() not in _BOARDING):
                continue
            cells = dict(enumerate(row))
            yield (
                reader.line_num,
                ",".join(row),
                {
                    "longitude": cells.get(longitude, ""),
                    "latitude": cells.get(latitude, ""),
                    "labels": [cells.get(at, "") for at in labels],
                },
            )
    except csv.Error as error:
        raise InvalidStopFile(f"line {reader.line_num}: {error}") from None


def _column(header: list[str], names: tuple[str, ...]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _features(text: str) -> Iterator[tuple[int, str, Mapping[str, Any]]]:
    """Features of a GeoJSON feature collection of points (RFC 7946)."""
    try:
        collection = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidStopFile(f"the file is not JSON: {error}") from None
    features = collection.get("features") if isinstance(collection, dict) else None
    if not isinstance(features, list):
        raise InvalidStopFile("the file is not a GeoJSON feature collection")
    for number, feature in enumerate(features, 1):
        parts = feature if isinstance(feature, dict) else {}
        geometry, properties = parts.get("geometry"), parts.get("properties")
        point = geometry if isinstance(geometry, dict) and geometry.get("type") == "Point" else {}
        coordinates = point.get("coordinates")
        if not isinstance(coordinates, list) or len(coordinates) < 2:
            coordinates = [None, None]
        named = properties if isinstance(properties, dict) else {}
        labels = [named.get(key) for key in (*_NAMES, *_IDS)] + [parts.get("id")]
        yield (
            number,
            json.dumps(feature, ensure_ascii=False),
            {
                "longitude": coordinates[0],
                "latitude": coordinates[1],
                "labels": ["" if label is None else str(label) for label in labels],
            },
        )


def _stop(values: Mapping[str, Any]) -> Stop:
    """Return the stop of a row.

    Raises:
        ValueError: it is none; the message says why.
    """
    longitude, latitude = _number(values["longitude"]), _number(values["latitude"])
    if longitude is None or latitude is None:
        raise ValueError("longitude and latitude are not two numbers")
    if not is_on_earth(longitude, latitude):
        raise ValueError("longitude is not from -180 to 180, or latitude not from -90 to 90")
    label = next((text for each in values["labels"] if (text := each.strip())), "")
    if "\0" in label or len(label.encode(errors="surrogatepass")) > MAX_FIELD_BYTES:
        raise ValueError(f"the name is longer than {MAX_FIELD_BYTES} bytes, or holds a NUL character")
    if any(0xD800 <= ord(character) <= 0xDFFF for character in label):
        raise ValueError("the name holds half a character")
    return Stop(label or f"{latitude:.6f},{longitude:.6f}", longitude, latitude)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number + 0.0 if math.isfinite(number) else None
