"""Statements that read byte ranges of the tiles of a region.

Parameters: weeks, segments, tiles, starts from 0 and sizes in bytes, as arrays of equal length, then the region's id.
One row a range, in the order of the arrays; null for a tile that does not exist.
"""

from psycopg import sql

# A join instead of a correlated subquery: Citus sends it to the one shard that has the region. Bytes are read after
# the sort, which moves references to them.
_RANGES = sql.SQL("""
SELECT substring(r.bytes FROM r.start + 1 FOR r.size)
FROM (SELECT t.{column} AS bytes, u.start, u.size
      FROM unnest(%s::date[], %s::bigint[], %s::integer[], %s::integer[], %s::integer[]) WITH ORDINALITY
          AS u (week, segment, tile, start, size, number)
      LEFT JOIN shifts_store.weekly_trip_tiles t
          ON t.region_id = %s AND t.week = u.week AND t.segment = u.segment AND t.tile = u.tile
      ORDER BY u.number OFFSET 0) AS r
""")
HIGH_BITS = _RANGES.format(column=sql.Identifier("high_bits")).as_string()
LOW_BITS = _RANGES.format(column=sql.Identifier("low_bits")).as_string()
