-- Distributed tables, by region, and reference tables, on every node. Tables that have their place are left alone.
-- All other tables stay on the coordinator: the ledger and its totals, rejects, audits, idempotency keys, stops, zones, the
-- setting of cells, and what is recorded of expired weeks.
--
-- The counts of a (region, week) pair (region_weeks, file_week_counts) are colocated with its trips, so that they become
-- visible together: a refresh that saw the counts of a load without its trips would mark the pair as fresh without them.

DO $$
DECLARE
    everywhere text[] := ARRAY['shifts_store.regions', 'shifts_store.sources'];
    -- The others are colocated with the first.
    by_region  text[] := ARRAY[
        'shifts_store.region_weeks',
        'shifts_store.file_week_counts',
        'shifts_store.trips',
        'shifts_store.trip_clusters',
        'shifts_store.weekly_trip_tiles',
        'shifts_store.tile_segments',
        'shifts_store.cell_tiles',
        'shifts_store.refresh_attempts',
        'shifts_store.failed_pair_checks',
        'shifts_store.blocked_pairs',
        'shifts_store.shift_makings',
        'shifts_store.shifts',
        'shifts_store.shift_attempts'];
    name       text;
BEGIN
    -- docs/scaling.md says why so few: each is a table for every week.
    SET LOCAL citus.shard_count = 12;
    FOREACH name IN ARRAY everywhere LOOP
        IF NOT EXISTS (SELECT FROM pg_dist_partition
                       WHERE logicalrelid = name::regclass AND partmethod = 'n' AND repmodel = 't') THEN
            PERFORM create_reference_table(name);
        END IF;
    END LOOP;
    FOREACH name IN ARRAY by_region LOOP
        -- A local table that refers to a reference table is listed, too.
        IF NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = name::regclass AND partmethod = 'h') THEN
            PERFORM create_distributed_table(name, 'region_id', colocate_with =>
                CASE WHEN name = by_region[1] THEN 'none' ELSE by_region[1] END);
        END IF;
    END LOOP;
END
$$;
