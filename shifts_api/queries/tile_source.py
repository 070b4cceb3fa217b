"""What counts are taken from: the tiles of all trips, or those of cells. Both have the same form."""

from typing import NamedTuple

from psycopg import sql


class TileSource(NamedTuple):
    """Tables and functions of the trips database that hold tiles."""

    table: str
    revision: str
    """Column of `region_weeks` that changes with a pair's tiles."""
    merged_revision: str
    """Column of `region_weeks`: the pair's revision since which segments were only added."""
    min_count: int | None = None
    """Least number of trips of a cell; None if these are tiles of all trips."""

    @property
    def revisions(self) -> str:
        """Statement: the revision of a region, or of all."""
        return _REVISIONS.format(revision=sql.Identifier(self.revision)).as_string()

    @property
    def week_revisions(self) -> str:
        """Statement: the revisions of a region's weeks."""
        names = {name: sql.Identifier(getattr(self, name)) for name in ("revision", "merged_revision")}
        return _WEEK_REVISIONS.format(**names).as_string()

    @property
    def tiles(self) -> str:
        """Statement: the tiles of segments since a revision of each of some weeks of a region."""
        if self.min_count is None:
            return "SELECT * FROM shifts_store.segment_tiles(%s, %s::date[], %s::bigint[], %s)"
        return _TILES_OF_CELLS.format(k=sql.Literal(self.min_count)).as_string()

    def find_region(self, name: str) -> str:
        """Expression: the region with a name, which is an expression too."""
        if self.min_count is None:
            return f"shifts_store.find_region({name})"
        return f"shifts_store.find_region_of_cells({name}, {self.min_count})"

    def ranges(self, column: str) -> str:
        """Statement: byte ranges of a column.

        Parameters: weeks, segments, tiles, starts from 0 and sizes in bytes, as arrays of equal length, then the
        region's id. One row a range, in the order of the arrays; null for a tile that does not exist.
        """
        return _RANGES.format(
            column=sql.Identifier(column), table=sql.Identifier("shifts_store", self.table)
        ).as_string()


EXACT = TileSource("weekly_trip_tiles", "tiles_revision", "merged_revision")


def cells_of(min_count: int) -> TileSource:
    """Cells of at least so many trips. A pair whose cells were made with another number has none."""
    return TileSource("cell_tiles", "cells_revision", "cells_revision", min_count)


_REVISIONS = sql.SQL(
    "SELECT region_id, sum({revision})::bigint, (SELECT shifts_store.incarnation())"
    " FROM shifts_store.region_weeks"
    " WHERE {revision} > 0 AND (region_id = %(region)s OR %(region)s IS NULL) GROUP BY region_id"
)
_WEEK_REVISIONS = sql.SQL(
    "SELECT week, {revision}, {merged_revision} FROM shifts_store.region_weeks"
    " WHERE region_id = %s AND {revision} > 0"
)
_TILES_OF_CELLS = sql.SQL("SELECT * FROM shifts_store.tiles_of_cells(%s, %s::date[], %s::bigint[], %s, {k})")
# A join instead of a correlated subquery: Citus sends it to the one shard that has the region. Bytes are read after
# the sort, which moves references to them.
_RANGES = sql.SQL("""
SELECT substring(r.bytes FROM r.start + 1 FOR r.size)
FROM (SELECT t.{column} AS bytes, u.start, u.size
      FROM unnest(%s::date[], %s::bigint[], %s::integer[], %s::integer[], %s::integer[]) WITH ORDINALITY
          AS u (week, segment, tile, start, size, number)
      LEFT JOIN {table} t
          ON t.region_id = %s AND t.week = u.week AND t.segment = u.segment AND t.tile = u.tile
      ORDER BY u.number OFFSET 0) AS r
""")
