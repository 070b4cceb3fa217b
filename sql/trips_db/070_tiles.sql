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
-- `codes`: offset >> shift as uint16; first of all trips' origin lon, then origin lat, destination lon and lat.
-- `rests`: the lowest `shift` bits of the offsets, in as many bytes as that takes (none, mostly), in the same order.

CREATE TABLE IF NOT EXISTS shifts_store.weekly_trip_tiles (
    region_id integer NOT NULL,
    week      date NOT NULL,
    tile      integer NOT NULL,             -- counts from 0
    trips     integer NOT NULL CHECK (trips > 0),
    leaves    bytea NOT NULL,
    codes     bytea NOT NULL,
    rests     bytea NOT NULL,
    PRIMARY KEY (region_id, week, tile)
);
-- Kept apart and as they are: a question reads pieces from their middle. Said once: a sharded table refuses to hear it.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_attribute
               WHERE attrelid = 'shifts_store.weekly_trip_tiles'::regclass
                 AND attname IN ('leaves', 'codes', 'rests') AND attstorage <> 'e') THEN
        ALTER TABLE shifts_store.weekly_trip_tiles
            ALTER COLUMN leaves SET STORAGE EXTERNAL,
            ALTER COLUMN codes SET STORAGE EXTERNAL,
            ALTER COLUMN rests SET STORAGE EXTERNAL;
    END IF;
END
$$;
