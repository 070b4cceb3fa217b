"""The partitions: files of the landing zone, and (ISO week × region) pairs; and what their keys mean."""

from datetime import date
from urllib.parse import quote, unquote

import dagster as dg

from shifts_core.calendar import WEEKS_AHEAD

TRIP_FILES = dg.DynamicPartitionsDefinition(name="trip_files")
"""One partition a file name below the landing zone; a changed file is the same partition anew."""

REGIONS = dg.DynamicPartitionsDefinition(name="regions")

_UNSAFE_IN_KEYS = frozenset("|%[],") | {chr(code) for code in (*range(32), 127)}


def weeks(first_week: date) -> dg.WeeklyPartitionsDefinition:
    """ISO weeks by their Monday, from `first_week` to a year ahead."""
    return dg.WeeklyPartitionsDefinition(
        start_date=first_week.isoformat(), day_offset=1, end_offset=WEEKS_AHEAD, fmt="%Y-%m-%d"
    )


def region_weeks(first_week: date) -> dg.MultiPartitionsDefinition:
    """(region, week) pairs, the unit in which trips are grouped and aggregated."""
    return dg.MultiPartitionsDefinition({"region": REGIONS, "week": weeks(first_week)})


def to_key(name: str) -> str:
    """A file's or region's name as a partition key: what Dagster's keys cannot hold is percent-encoded."""
    safe = "".join(quote(char) if char in _UNSAFE_IN_KEYS else char for char in name)
    return safe.replace("...", "%2E%2E%2E")


def from_key(key: str) -> str:
    """The name a partition key stands for."""
    return unquote(key)


def pair_of(key: str) -> tuple[str, date]:
    """Region name and Monday of a (region, week) key.

    Raises:
        ValueError: the key is none.
    """
    region, _, week = key.rpartition("|")
    return from_key(region), date.fromisoformat(week)
