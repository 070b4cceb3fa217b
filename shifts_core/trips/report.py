"""What a load is given and what it tells: calendar, progress, report, and the error a person can mend."""

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True)
class Progress:
    """How far a load has come."""

    rows: int
    """Loaded and rejected so far."""
    bytes_read: int
    """Of the file as it is stored."""
    share: float
    """Of the file's bytes, 0 to 1; 0 while the size is unknown."""


@dataclass(frozen=True)
class WeekCount:
    """A file's trips in one region and ISO week."""

    region: str
    region_id: int
    week: date
    """Its Monday."""
    trips: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class LoadReport:
    """What became of a file's rows; nothing of it is committed yet."""

    rows_loaded: int
    rows_rejected: int
    content_hash: str
    """sha256 of the file as it is stored, hexadecimal."""
    weeks: tuple[WeekCount, ...]
    """By region and week."""
    rejects_by_reason: dict[str, int]
    """Most frequent first."""
    reject_examples: tuple[tuple[int, str, str], ...]
    """(line, reason, raw text) of the first few."""
    seconds: float


class UnreadableFile(Exception):  # noqa: N818  an answer to the person who dropped it, not a fault
    """The file as a whole cannot be loaded; the message says what to mend."""
