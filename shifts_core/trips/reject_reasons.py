"""Decides whether the fields of a row are a trip, and if not, for which reason the row is rejected."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from shifts_core.calendar import DateRange
from shifts_core.trips.columns import COLUMN_NAMES, DATETIME, DESTINATION, ORIGIN, REGION, SOURCE
from shifts_core.trips.rules import (
    EXPIRED,
    MAX_FIELD_BYTES,
    MAX_LATITUDE,
    MAX_LONGITUDE,
    NUMBER,
    check_date,
    clean_name,
    parse_timestamp,
    to_micros,
)

_RAW_BYTES_KEPT = 10_000
_POINT = re.compile(
    rf"[ \t]*point[ \t]*\([ \t]*({NUMBER})[ \t]+({NUMBER})[ \t]*\)[ \t]*", re.IGNORECASE | re.ASCII
)
_NOT_FINITE = re.compile(
    r"[ \t]*point[ \t]*\(.*\b(?:nan|inf|infinity)\b.*\)[ \t]*", re.IGNORECASE | re.DOTALL | re.ASCII
)


@dataclass(frozen=True)
class ParsedRow:
    """The values of a row that is a trip."""

    points: tuple[float, float, float, float]
    """Origin lon, lat, destination lon, lat; degrees."""
    started_at: int
    """Microseconds since 1970-01-01, local wall clock."""
    region: bytes
    """As the file has it, with white space around it."""
    source: bytes


class RejectedRow(Exception):  # noqa: N818  names what happens to the row
    """The row is not a trip; the message is the reason."""


class ExpiredRow(RejectedRow):
    """The row is of a week that is no longer kept, and neither is its text."""


def parse_fields(fields: Mapping[int, bytes], dates: DateRange) -> ParsedRow:
    """The trip that a row describes.

    Args:
        fields: the five fields by their column's kind.
        dates: when trips may start.

    Raises:
        RejectedRow: with the first rule that a field breaks; ExpiredRow, whatever else it breaks.
    """
    if _is_expired(fields[DATETIME], dates):
        raise ExpiredRow(EXPIRED)
    for kind in (REGION, ORIGIN, DESTINATION, DATETIME, SOURCE):
        if len(fields[kind]) > MAX_FIELD_BYTES:
            raise RejectedRow(f"{COLUMN_NAMES[kind]} is longer than {MAX_FIELD_BYTES} bytes")
    for kind in (REGION, SOURCE):
        parse_name(fields[kind], kind)
    return ParsedRow(
        _parse_point(fields[ORIGIN], ORIGIN) + _parse_point(fields[DESTINATION], DESTINATION),
        _parse_start(fields[DATETIME], dates),
        fields[REGION],
        fields[SOURCE],
    )


def parse_name(field: bytes, kind: int) -> str:
    """The name of a region or source as it is stored.

    Raises:
        RejectedRow: the field cannot be a name.
    """
    text = _decode(field, kind)
    try:
        return clean_name(text, required=kind == REGION)
    except ValueError as error:
        raise RejectedRow(f"{COLUMN_NAMES[kind]} {error}") from None


def printable_row(raw: bytes) -> str:
    """Text of any bytes that PostgreSQL can store: NUL and bytes that are not UTF-8 become escapes."""
    text = raw[:_RAW_BYTES_KEPT].decode(errors="backslashreplace").replace("\0", "\\x00")
    return text if len(raw) <= _RAW_BYTES_KEPT else f"{text}… ({len(raw)} bytes)"


def _parse_point(field: bytes, kind: int) -> tuple[float, float]:
    name = COLUMN_NAMES[kind]
    text = field.decode(errors="replace")
    match = _POINT.fullmatch(text)
    if match is None:
        if _NOT_FINITE.fullmatch(text):
            raise RejectedRow(f"{name} is not finite")
        _decode(field, kind)
        raise RejectedRow(f"{name} is not a WKT point such as POINT (13.4 52.5)")
    longitude, latitude = float(match[1]), float(match[2])
    if not (math.isfinite(longitude) and math.isfinite(latitude)):
        raise RejectedRow(f"{name} is not finite")
    if abs(latitude) > MAX_LATITUDE:
        swapped = abs(latitude) <= MAX_LONGITUDE and abs(longitude) <= MAX_LATITUDE
        hint = "; longitude and latitude are probably swapped" if swapped else ""
        raise RejectedRow(f"{name} is out of range: latitude beyond ±{MAX_LATITUDE:g}{hint}")
    if abs(longitude) > MAX_LONGITUDE:
        raise RejectedRow(f"{name} is out of range: longitude beyond ±{MAX_LONGITUDE:g}")
    return longitude, latitude


def _is_expired(field: bytes, dates: DateRange) -> bool:
    try:
        started_at = parse_timestamp(field[:MAX_FIELD_BYTES].decode(errors="replace"))
    except ValueError:
        return False
    return started_at is not None and started_at.date() < dates.kept_from


def _parse_start(field: bytes, dates: DateRange) -> int:
    try:
        started_at = parse_timestamp(field.decode(errors="replace"))
    except ValueError as error:
        raise RejectedRow(f"datetime is impossible: {error}") from None
    if started_at is None:
        _decode(field, DATETIME)
        raise RejectedRow("datetime is unreadable: YYYY-MM-DD HH:MM:SS is expected")
    try:
        check_date(started_at, dates)
    except ValueError as error:
        raise RejectedRow(f"datetime is {error}") from None
    return to_micros(started_at)


def _decode(field: bytes, kind: int) -> str:
    try:
        return field.decode()
    except UnicodeDecodeError:
        raise RejectedRow(f"{COLUMN_NAMES[kind]} holds bytes that are not UTF-8") from None
