"""One record read with care: its values, or the reason a person understands. The measure for the compiled reader."""

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from shifts_core.calendar import DateRange
from shifts_core.trips.limits import (
    COLUMN_NAMES,
    DATETIME,
    DESTINATION,
    MAX_FIELD_BYTES,
    NOT_CLOSED,
    ORIGIN,
    REGION,
    SOURCE,
    TEXT_AFTER_QUOTE,
)

_RAW_BYTES_KEPT = 10_000

_NUMBER = rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_POINT = re.compile(rb"[ \t]*point[ \t]*\([ \t]*(%b)[ \t]+(%b)[ \t]*\)[ \t]*" % (_NUMBER, _NUMBER), re.I)
_NOT_FINITE = re.compile(rb"[ \t]*point[ \t]*\(.*\b(?:nan|inf|infinity)\b.*\)[ \t]*", re.I | re.S)
_DATETIME = re.compile(rb"[ \t]*(\d{4})-(\d\d)-(\d\d)(?:[Tt]|[ \t]+)(\d\d):(\d\d):(\d\d)(?:\.(\d+))?[ \t]*")
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Row:
    """A trip as its record tells it."""

    points: tuple[float, float, float, float]
    """Origin lon, lat, destination lon, lat; degrees."""
    started_at: int
    """Microseconds since 1970-01-01, local wall clock."""
    region: bytes
    source: bytes


class _RejectedError(Exception):
    """The message is the reason."""


def micros_of(moment: datetime) -> int:
    """Microseconds since 1970-01-01."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def read_record(raw: bytes, flaw: int, kinds: tuple[int, ...], dates: DateRange) -> Row | str:
    """The trip that a record tells, or why it tells none.

    Args:
        raw: the record without its line end.
        flaw: how its quotes are broken, see limits.py.
        kinds: what each column is, see limits.py.
        dates: when trips may start.
    """
    try:
        return _read(raw, flaw, kinds, dates)
    except _RejectedError as rejected:
        return str(rejected)


def visible(raw: bytes) -> str:
    """Text of any bytes that PostgreSQL can store: what is not UTF-8, and NUL, is written as an escape."""
    text = raw[:_RAW_BYTES_KEPT].decode(errors="backslashreplace").replace("\0", "\\x00")
    return text if len(raw) <= _RAW_BYTES_KEPT else f"{text}… ({len(raw)} bytes)"


def name_in(text: bytes, column: int) -> str:
    """A region's or source's name as it is stored: blanks around it do not count.

    Raises:
        ValueError: it cannot be one; the message is the reason.
    """
    try:
        name = text.decode().strip()
    except UnicodeDecodeError:
        raise ValueError(_not_utf8(column)) from None
    if "\0" in name:
        raise ValueError(f"{COLUMN_NAMES[column]} holds a NUL character")
    if not name and column == REGION:
        raise ValueError("region is empty")
    return name


def _read(raw: bytes, flaw: int, kinds: tuple[int, ...], dates: DateRange) -> Row:
    if flaw == NOT_CLOSED:
        raise _RejectedError("a quote is opened and not closed")
    if flaw == TEXT_AFTER_QUOTE:
        raise _RejectedError("text follows a closing quote")
    if not raw.strip():
        raise _RejectedError("the line is empty")
    fields = split(raw)
    if len(fields) != len(kinds):
        raise _RejectedError(f"wrong number of fields: {len(fields)} instead of {len(kinds)}")
    texts = {kind: field for kind, field in zip(kinds, fields, strict=True) if kind < len(COLUMN_NAMES)}
    for kind in (REGION, ORIGIN, DESTINATION, DATETIME, SOURCE):
        if len(texts[kind]) > MAX_FIELD_BYTES:
            raise _RejectedError(f"{COLUMN_NAMES[kind]} is longer than {MAX_FIELD_BYTES} bytes")
    for kind in (REGION, SOURCE):
        try:
            name_in(texts[kind], kind)
        except ValueError as error:
            raise _RejectedError(str(error)) from None
    return Row(
        _point(texts[ORIGIN], ORIGIN) + _point(texts[DESTINATION], DESTINATION),
        _started_at(texts[DATETIME], dates),
        texts[REGION],
        texts[SOURCE],
    )


def split(raw: bytes) -> list[bytes]:
    """The fields of a record whose quotes are sound; a quote counts only where a field begins."""
    fields = []
    pos = 0
    while True:
        if raw[pos : pos + 1] == b'"':
            end = pos + 1
            while raw[end : end + 1] != b'"' or raw[end + 1 : end + 2] == b'"':
                end += 2 if raw[end : end + 1] == b'"' else 1
            fields.append(raw[pos + 1 : end].replace(b'""', b'"'))
            end += 1
        else:
            end = raw.find(b",", pos)
            end = len(raw) if end < 0 else end
            fields.append(raw[pos:end])
        if end >= len(raw):
            return fields
        pos = end + 1


def _point(text: bytes, column: int) -> tuple[float, float]:
    name = COLUMN_NAMES[column]
    match = _POINT.fullmatch(text)
    if match is None:
        if _NOT_FINITE.fullmatch(text):
            raise _RejectedError(f"{name} is not finite")
        _raise_unless_utf8(text, column)
        raise _RejectedError(f"{name} is not a WKT point such as POINT (13.4 52.5)")
    lon, lat = float(match[1]), float(match[2])
    if not (math.isfinite(lon) and math.isfinite(lat)):
        raise _RejectedError(f"{name} is not finite")
    if abs(lat) > 90:
        swapped = abs(lat) <= 180 and abs(lon) <= 90
        hint = "; longitude and latitude are probably swapped" if swapped else ""
        raise _RejectedError(f"{name} is out of range: latitude beyond ±90{hint}")
    if abs(lon) > 180:
        raise _RejectedError(f"{name} is out of range: longitude beyond ±180")
    return lon, lat


def _started_at(text: bytes, dates: DateRange) -> int:
    match = _DATETIME.fullmatch(text)
    if match is None:
        _raise_unless_utf8(text, DATETIME)
        raise _RejectedError("datetime is unreadable: YYYY-MM-DD HH:MM:SS is expected")
    # Digits beyond the microsecond are cut off: rounding could push a trip into the next week.
    micros = int((match[7] or b"").ljust(6, b"0")[:6])
    try:
        year, month, day, hour, minute, second = (int(match[part]) for part in range(1, 7))
        moment = datetime(year, month, day, hour, minute, second, micros)
    except ValueError:
        raise _RejectedError("datetime is impossible: there is no such day or time") from None
    if moment.date() not in dates:
        raise _RejectedError(f"datetime is outside the calendar, {dates.first} to before {dates.end}")
    return micros_of(moment)


def _raise_unless_utf8(text: bytes, column: int) -> None:
    try:
        text.decode()
    except UnicodeDecodeError:
        raise _RejectedError(_not_utf8(column)) from None


def _not_utf8(column: int) -> str:
    return f"{COLUMN_NAMES[column]} holds bytes that are not UTF-8"
