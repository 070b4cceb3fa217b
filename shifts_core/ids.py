"""The layout of trip and cluster ids: the week's number in the high bits, a number within the week in the low ones.

`sql/trips_db/functions/trips.sql` has the same layout for SQL.
"""

from datetime import date

from shifts_core.calendar import monday_of_week, week_number

NUMBER_BITS = 40
"""Bits for the number within the week."""


def first_id(monday: date) -> int:
    """The smallest id of the week that starts on `monday`."""
    return week_number(monday) << NUMBER_BITS


def monday_of_id(id_: int) -> date:
    """The Monday of the week that a trip or cluster id belongs to."""
    return monday_of_week(id_ >> NUMBER_BITS)
