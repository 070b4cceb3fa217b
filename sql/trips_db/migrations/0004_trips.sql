-- The trips, one partition an ISO week. Loaders attach partitions as weeks appear.
-- A trip's id carries its week in the bits from 40 up (weeks since Monday 1970-01-05), so that an id alone
-- leads to its partition; it stays below 2^53, exact as a JSON number.

CREATE TABLE IF NOT EXISTS shifts_store.trips (
    trip_id     bigint NOT NULL,
    started_at  timestamp NOT NULL,          -- local wall clock
    region_id   integer NOT NULL,
    source_id   integer NOT NULL,
    file_id     bigint NOT NULL,
    origin      public.geometry(Point, 4326) NOT NULL,
    destination public.geometry(Point, 4326) NOT NULL
) PARTITION BY RANGE (started_at);

-- Ids and files ascend with the physical order, so block ranges find them at next to no cost for the load.
CREATE INDEX IF NOT EXISTS trips_by_file
    ON shifts_store.trips USING brin (file_id, trip_id, region_id) WITH (pages_per_range = 32);

CREATE SEQUENCE IF NOT EXISTS shifts_store.trip_numbers MAXVALUE 1099511627775;
