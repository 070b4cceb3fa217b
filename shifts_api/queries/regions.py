"""Regions as a snapshot of the database sees them."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection


class Region(NamedTuple):
    """A region in a snapshot."""

    region_id: int
    first_at: datetime | None
    """Time of the first trip; None if all trips were removed."""
    last_at: datetime | None
    tiles_revision: int
    is_pending: bool
    """Whether it has trips that are in no tile: of an older version, not refreshed since the upgrade."""
    as_of: datetime
    """Time of the snapshot."""
    incarnation: str
    """Of the database."""

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """First and last trip."""
        return (self.first_at, self.last_at) if self.first_at and self.last_at else None

    @property
    def revision(self) -> str | None:
        """Changes whenever trips of the region do; None while some are in no tile, and change without it."""
        if self.is_pending:
            return None
        return repr((self.incarnation, self.region_id, self.tiles_revision, self.span))

    def has_same_trips(self, other: "Region") -> bool:
        """Whether both snapshots hold the same trips of the region in the same tiles."""
        return self._replace(as_of=other.as_of) == other


async def find_region(connection: AsyncConnection, name: str, min_count: int | None = None) -> Region | None:
    """Finds a region by its name; None if it never had trips.

    Args:
        connection: in the snapshot.
        name: of the region.
        min_count: least number of trips of the cells that are counted; None if all trips are.
    """
    functions = func.shifts_store
    found = (
        functions.find_region(name) if min_count is None else functions.find_region_of_cells(name, min_count)
    ).table_valued(*Region._fields[:5])
    statement = select(found, func.now(), func.shifts_store.incarnation())
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else Region(*row)
