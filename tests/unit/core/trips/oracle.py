"""An independent reader of trip files, character by character: the oracle for the fast reader."""

import csv
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

MAX_QUOTED = {True: 4096, False: 65536}
"""How far a closing quote is searched, by whether the column is read."""
NAMES = ("origin_coord", "destination_coord", "datetime", "region", "datasource")
FIRST, END = datetime(2000, 1, 3), datetime(2030, 1, 7)
_POINT = re.compile(r"[ \t]*point[ \t]*\([ \t]*([-+.\deE]+)[ \t]+([-+.\deE]+)[ \t]*\)[ \t]*", re.I | re.A)
_MOMENT = re.compile(r"[ \t]*(\d{4}-\d\d-\d\d)(?:t|[ \t]+)(\d\d:\d\d:\d\d)(?:\.(\d+))?[ \t]*", re.I | re.A)


@dataclass(frozen=True)
class Record:
    """The position and the fields of a record."""

    line: int
    raw: bytes
    fields: list[bytes] | None
    """None if its quotes are broken."""


@dataclass(frozen=True)
class Trip:
    """The values of a record."""

    numbers: tuple[float, float, float, float]
    micros: int
    region: str
    source: str


def records(data: bytes) -> list[Record]:
    """The records below the header."""
    header, _, rest = data.removeprefix(b"\xef\xbb\xbf").partition(b"\n")
    names = next(csv.reader([header.decode()]))
    read = [name.strip().lower() in NAMES for name in names]
    found, line, pos = [], 2, 0
    while pos < len(rest):
        record, behind = _record(rest, pos, line, read)
        found.append(record)
        line += rest.count(b"\n", pos, behind)
        pos = behind
    return found


def _record(data: bytes, begin: int, line: int, read: list[bool]) -> tuple[Record, int]:
    fields: list[bytes] = []
    pos = begin
    while True:
        if data[pos : pos + 1] == b'"':
            limit = MAX_QUOTED[len(fields) < len(read) and read[len(fields)]]
            closing = _closing(data, pos + 1, limit)
            behind = -1 if closing is None else closing + 1
            if data[behind : behind + 2] in (b"\r\n", b"\r"):
                behind += 1
            if closing is None or data[behind : behind + 1] not in (b",", b"\n", b""):
                behind = data.find(b"\n", begin) + 1 or len(data)
                return Record(line, _without_end(data[begin:behind]), None), behind
            fields.append(data[pos + 1 : closing].replace(b'""', b'"'))
            pos = behind
        else:
            start = pos
            while data[pos : pos + 1] not in (b",", b"\n", b""):
                pos += 1
            field = data[start:pos]
            fields.append(field if data[pos : pos + 1] == b"," else field.removesuffix(b"\r"))
        delimiter = data[pos : pos + 1]
        pos += len(delimiter)
        if delimiter != b",":
            return Record(line, _without_end(data[begin:pos]), fields), pos


def _closing(data: bytes, pos: int, limit: int) -> int | None:
    stop = pos + limit
    while pos < min(stop, len(data)):
        if data[pos : pos + 2] == b'""':
            pos += 2
        elif data[pos : pos + 1] == b'"':
            return pos
        else:
            pos += 1
    return None


def _without_end(raw: bytes) -> bytes:
    return raw.removesuffix(b"\n").removesuffix(b"\r")


def trip_of(record: Record, names: list[str]) -> Trip | None:
    """The trip of a record; None if it is not a trip."""
    if record.fields is None or len(record.fields) != len(names):
        return None
    try:
        texts = {n: f.decode() for n, f in zip(names, record.fields, strict=True) if n in NAMES}
    except UnicodeDecodeError:
        return None
    if any(len(text.encode()) > 1024 or "\0" in text for text in texts.values()):
        return None
    region, source = texts["region"].strip(), texts["datasource"].strip()
    origin, destination = (_point(texts[name]) for name in NAMES[:2])
    micros = _micros(texts["datetime"])
    if not region or origin is None or destination is None or micros is None:
        return None
    return Trip(origin + destination, micros, region, source)


def _point(text: str) -> tuple[float, float] | None:
    match = _POINT.fullmatch(text)
    try:
        lon, lat = (float(number) for number in match.groups()) if match else (999.0, 999.0)
    except ValueError:
        return None
    return (lon, lat) if abs(lon) <= 180 and abs(lat) <= 90 else None


def _micros(text: str) -> int | None:
    match = _MOMENT.fullmatch(text)
    try:
        moment = datetime.fromisoformat(f"{match[1]} {match[2]}") if match else END
    except ValueError:
        return None
    if match is None or not FIRST <= moment < END:
        return None
    since = moment - datetime(1970, 1, 1) + timedelta(microseconds=int((match[3] or "0")[:6].ljust(6, "0")))
    return since // timedelta(microseconds=1)
