"""Partitions: files of the landing zone, and (region, ISO week) pairs; and the form of their keys."""

from datetime import date
from urllib.parse import quote, unquote

import dagster as dg

from shifts_core.calendar import WEEKS_AHEAD

TRIP_FILES = dg.DynamicPartitionsDefinition(name="trip_files")
"""One partition per file name in the landing zone; a changed file is materialized again."""

REGIONS = dg.DynamicPartitionsDefinition(name="regions")

_UNSAFE_IN_KEYS = frozenset("|%[],") | {chr(code) for code in (*range(32), 127)}


def weeks(first_week: date) -> dg.WeeklyPartitionsDefinition:
    """ISO weeks by their Monday, from `first_week` to a year ahead."""
    return dg.WeeklyPartitionsDefinition(
        start_date=first_week.isoformat(), day_offset=1, end_offset=WEEKS_AHEAD, fmt="%Y-%m-%d"
    )


def region_weeks(first_week: date) -> dg.MultiPartitionsDefinition:
    """(region, week) pairs, the unit in which trips are clustered and aggregated."""
    return dg.MultiPartitionsDefinition({"region": REGIONS, "week": weeks(first_week)})


def to_key(name: str) -> str:
    """Encodes a name of a file or region as a partition key; characters that Dagster refuses are percent-encoded."""
    safe = "".join(quote(char) if char in _UNSAFE_IN_KEYS else char for char in name)
    return safe.replace("...", "%2E%2E%2E")


def from_key(key: str) -> str:
    """Decodes the name of a file or region from its partition key."""
    return unquote(key)


def pair_of(key: str) -> tuple[str, date]:
    """Region name and Monday of a (region, week) partition key.

    Raises:
        ValueError: the key has another form.
    """
    region, _, week = key.rpartition("|")
    return from_key(region), date.fromisoformat(week)
