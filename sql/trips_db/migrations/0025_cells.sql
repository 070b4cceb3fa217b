-- Cells of at least k trips, from which requests are counted that may not see exact counts: docs/privacy.md.

-- Tiles of trips that were replaced by the centres of their cells; the same columns as weekly_trip_tiles.
CREATE TABLE shifts_store.cell_tiles (
    region_id integer NOT NULL,
    week      date NOT NULL,
    segment   bigint NOT NULL,               -- a pair has one; each refresh writes a new one
    tile      integer NOT NULL,
    trips     integer NOT NULL CHECK (trips > 0),
    leaves    bytea NOT NULL,
    high_bits bytea NOT NULL,
    low_bits  bytea NOT NULL,
    PRIMARY KEY (region_id, week, segment, tile)
);
ALTER TABLE shifts_store.cell_tiles
    ALTER COLUMN leaves SET STORAGE EXTERNAL,
    ALTER COLUMN high_bits SET STORAGE EXTERNAL,
    ALTER COLUMN low_bits SET STORAGE EXTERNAL;

ALTER TABLE shifts_store.region_weeks
    ADD COLUMN cells_revision bigint NOT NULL DEFAULT 0,  -- increases whenever the pair's cells are written or dropped
    ADD COLUMN cells_min_count integer,      -- the k of the pair's cells; null: they are not made
    ADD COLUMN cells_trips bigint NOT NULL DEFAULT 0;  -- trips in the pair's cells
-- The pool of small files that the file is in, named by its first file; null: none yet. Once in a pool, always in that pool.
ALTER TABLE shifts_store.file_week_counts ADD COLUMN cells_pool bigint;

-- The k that pairs are refreshed with; at most one row.
CREATE TABLE shifts_store.cell_settings (
    is_set    boolean PRIMARY KEY DEFAULT true CHECK (is_set),
    min_count integer NOT NULL CHECK (min_count > 0)
);
