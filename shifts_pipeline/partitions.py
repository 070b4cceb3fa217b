"""Partitions: files of the landing zone, and ISO weeks; and the form of their keys."""

from datetime import date
from urllib.parse import quote, unquote

import dagster as dg

TRIP_FILES = dg.DynamicPartitionsDefinition(name="trip_files")
"""One partition per file name in the landing zone; a changed file is materialized again."""

WEEKS = dg.DynamicPartitionsDefinition(name="weeks")
"""One partition per ISO week that has trips. Its key is the date of the Monday."""

_UNSAFE_IN_KEYS = frozenset("|%[],") | {chr(code) for code in (*range(32), 127)}


def to_key(name: str) -> str:
    """Encodes the name of a file as a partition key; characters that Dagster refuses are percent-encoded."""
    safe = "".join(quote(char) if char in _UNSAFE_IN_KEYS else char for char in name)
    return safe.replace("...", "%2E%2E%2E")


def from_key(key: str) -> str:
    """Decodes the name of a file from its partition key."""
    return unquote(key)


def week_of(key: str) -> date:
    """The Monday of a week's partition key.

    Raises:
        ValueError: the key has another form, or names another day.
    """
    week = date.fromisoformat(key)
    if week.isoformat() != key or week.weekday() != 0:
        raise ValueError(f"{key!r} is not the ISO date of a Monday")
    return week
