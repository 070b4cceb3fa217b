-- Tiles: the trips of a (region, week) pair in an order in which neighbours are neighbours on the map, cut into
-- tiles and these into leaves, with their coordinates packed, so that any box is counted exactly from few bytes.
-- The pipeline writes them, the web service reads them; what both have to know stands here.
--
-- A tile's trips are in leaves of 998; only the last leaf of a pair may be shorter. All numbers are little-endian.
-- `leaves`, 72 bytes each, one behind the other:
--     low     4 float64   smallest origin lon, origin lat, destination lon, destination lat; degrees
--     high    4 float64   largest ones
--     trips   uint32
--     digits  4 uint8     of each coordinate: 5, 6 or 7, or 0
-- Of each coordinate a leaf has whole numbers in the order of the values, its keys: value × 10^digits where that
-- many decimals are the very value of every trip of the leaf, else the bits of the float64 as a signed number,
-- all but the sign inverted for negative values. `offset` is a key less the key of `low`, `shift` the number of
-- bits that the largest offset has beyond 15.
-- `high_bits`: offset >> shift as uint16; first of all trips' origin lon, then origin lat, destination lon and lat.
-- `low_bits`: the lowest `shift` bits of the offsets, in as many bytes as that takes (none, mostly), in the same order.

-- Ranges of the high bits, or of the low bits, of a region's tiles, in the order of the arrays; starts count from 0.
CREATE OR REPLACE FUNCTION shifts_store.tile_high_bits(
    region integer, weeks date[], tiles integer[], starts integer[], sizes integer[])
RETURNS SETOF bytea
LANGUAGE sql STABLE AS $$
    SELECT (SELECT substring(t.high_bits FROM u.start + 1 FOR u.size) FROM shifts_store.weekly_trip_tiles t
            WHERE t.region_id = region AND t.week = u.week AND t.tile = u.tile)
    FROM unnest(weeks, tiles, starts, sizes) AS u (week, tile, start, size)
$$;

CREATE OR REPLACE FUNCTION shifts_store.tile_low_bits(
    region integer, weeks date[], tiles integer[], starts integer[], sizes integer[])
RETURNS SETOF bytea
LANGUAGE sql STABLE AS $$
    SELECT (SELECT substring(t.low_bits FROM u.start + 1 FOR u.size) FROM shifts_store.weekly_trip_tiles t
            WHERE t.region_id = region AND t.week = u.week AND t.tile = u.tile)
    FROM unnest(weeks, tiles, starts, sizes) AS u (week, tile, start, size)
$$;
