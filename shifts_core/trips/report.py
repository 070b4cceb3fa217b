"""The results of a load: progress, report, and the error of a file that cannot be loaded."""

from dataclasses import dataclass
from datetime import date, datetime

from shifts_core.tiles.segment import Segment


@dataclass(frozen=True)
class Progress:
    """The progress of a load."""

    rows: int
    """Loaded and rejected so far."""
    bytes_read: int
    """Of the stored file."""
    share: float
    """Of the bytes of the file, 0 to 1; 0 while the size is unknown."""


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
    """The result of loading a file; nothing is committed yet."""

    rows_loaded: int
    rows_rejected: int
    content_hash: str
    """SHA-256 of the stored file, hexadecimal."""
    weeks: tuple[WeekCount, ...]
    """By region and week."""
    segments: tuple[Segment, ...]
    """Whose tiles hold the trips."""
    rejects_by_reason: dict[str, int]
    """Most frequent first."""
    reject_examples: tuple[tuple[int, str, str], ...]
    """(line, reason, raw text) of the first few."""
    seconds: float


class UnreadableFile(Exception):  # noqa: N818  an answer to the author of the file, not a fault
    """The file as a whole cannot be loaded; the message says what to correct."""
