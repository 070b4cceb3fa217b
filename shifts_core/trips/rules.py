"""The rules of a trip row, for rows of files and of requests: numbers, coordinates, timestamps, names."""

import re
from datetime import datetime, timedelta

from shifts_core.calendar import DateRange

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
"""A decimal number, as a pattern for `re.ASCII`."""
MAX_LONGITUDE = 180.0
MAX_LATITUDE = 90.0
MAX_FIELD_BYTES = 1024
"""Of a name, and of any other field of a file that is read; ignored fields may have any length."""
_TIMESTAMP = re.compile(
    r"[ \t]*(\d{4})-(\d\d)-(\d\d)(?:[Tt]|[ \t]+)(\d\d):(\d\d):(\d\d)(?:\.(\d+))?[ \t]*", re.ASCII
)
_EPOCH = datetime(1970, 1, 1)


def is_on_earth(longitude: float, latitude: float) -> bool:
    """Whether two numbers are coordinates in degrees; NaN is not."""
    return abs(longitude) <= MAX_LONGITUDE and abs(latitude) <= MAX_LATITUDE


def parse_timestamp(text: str) -> datetime | None:
    """The local wall clock of `YYYY-MM-DD HH:MM:SS`, also with `T` or a fraction; None if the text has another form.

    Raises:
        ValueError: the form is right, but the day or time does not exist.
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(match[part]) for part in range(1, 7))
    # Digits beyond the microsecond are cut off: rounding could move a trip into the next week.
    micros = int((match[7] or "").ljust(6, "0")[:6])
    try:
        return datetime(year, month, day, hour, minute, second, micros)
    except ValueError:
        raise ValueError("there is no such day or time") from None


EXPIRED = "its week is older than the weeks that are kept"


def check_date(started_at: datetime, dates: DateRange) -> None:
    """Refuses trips that start outside the calendar.

    Raises:
        ValueError: the start is outside; the message says which dates are accepted.
    """
    if started_at.date() < dates.kept_from:
        raise ValueError(EXPIRED)
    if started_at.date() not in dates:
        raise ValueError(f"outside the calendar, {dates.first} to before {dates.end}")


def clean_name(text: str, *, required: bool) -> str:
    """The name of a region or source as it is stored, without white space around it.

    Args:
        text: as it was written.
        required: whether an empty name is refused.

    Raises:
        ValueError: the text cannot be a name; the message says why.
    """
    name = text.strip()
    if "\0" in name:
        raise ValueError("holds a NUL character")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise ValueError("holds half a character") from None
    if size > MAX_FIELD_BYTES:
        raise ValueError(f"is longer than {MAX_FIELD_BYTES} bytes")
    if required and not name:
        raise ValueError("is empty")
    return name


def to_micros(moment: datetime) -> int:
    """Microseconds since 1970-01-01 of a local wall clock."""
    return (moment - _EPOCH) // timedelta(microseconds=1)
