-- The tiles of a pair consist of segments. A load writes one of its own trips, which tiles need not wait for a refresh.

-- Drops the default again: every writer names its segment.
ALTER TABLE shifts_store.weekly_trip_tiles ADD COLUMN segment bigint NOT NULL DEFAULT 0;
ALTER TABLE shifts_store.weekly_trip_tiles ALTER COLUMN segment DROP DEFAULT;
ALTER TABLE shifts_store.weekly_trip_tiles
    DROP CONSTRAINT weekly_trip_tiles_pkey,
    ADD CONSTRAINT weekly_trip_tiles_pkey PRIMARY KEY (region_id, week, segment, tile);

CREATE SEQUENCE shifts_store.segment_numbers;

-- The committed segments of each pair; the sum of their trips is the number of trips in the pair's tiles.
CREATE TABLE shifts_store.tile_segments (
    region_id integer NOT NULL,
    week      date NOT NULL,
    revision  bigint NOT NULL,               -- the pair's tiles_revision since which it counts
    segment   bigint NOT NULL,
    file_id   bigint,                        -- whose trips it adds or subtracts; null: merged by a refresh
    trips     bigint NOT NULL CHECK (trips <> 0),  -- negative: it subtracts trips that were deleted
    PRIMARY KEY (region_id, week, revision, segment)
);

-- The pair's tiles_revision of the last merge: after it, segments are only added.
ALTER TABLE shifts_store.region_weeks ADD COLUMN merged_revision bigint NOT NULL DEFAULT 0;
UPDATE shifts_store.region_weeks SET merged_revision = tiles_revision WHERE tiles_revision > 0;
INSERT INTO shifts_store.tile_segments (region_id, week, revision, segment, trips)
SELECT w.region_id, w.week, w.tiles_revision, 0, t.trips
FROM shifts_store.region_weeks w
JOIN (SELECT region_id, week, sum(trips) AS trips FROM shifts_store.weekly_trip_tiles GROUP BY region_id, week) AS t
    USING (region_id, week);
