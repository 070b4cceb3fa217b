-- The index of a partition of trips is created after its rows: keeping it up to date row by row took a fifth of the time of a
-- load. functions/trips.sql creates those of new weeks.

DROP INDEX IF EXISTS shifts_store.trips_by_file;

DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'shifts_store.trips'::regclass ORDER BY c.relname
    LOOP
        EXECUTE format('CREATE INDEX %I ON shifts_store.%I USING brin (file_id, trip_id, region_id)'
            ' WITH (pages_per_range = 32)', name || '_by_file', name);
    END LOOP;
END
$$;
