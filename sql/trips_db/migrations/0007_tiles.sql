-- Tiles of each (region, week) pair. `functions/tiles.sql` describes what their bytes mean.

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

-- Kept apart and as they are: a question reads pieces from their middle. A sharded table refuses the statement,
-- so it is run only where it changes something.
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
