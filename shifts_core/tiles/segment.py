"""A segment: the tiles that a load, a post, a deletion or a merge adds to a (region, week) pair at once."""

from datetime import date
from typing import NamedTuple


class Segment(NamedTuple):
    """A segment of a file whose tiles are written."""

    region_id: int
    week: date
    """Its Monday."""
    number: int
    file_id: int
    """Whose trips it adds or subtracts."""
    trips: int
    """Negative if it subtracts trips that are deleted."""
