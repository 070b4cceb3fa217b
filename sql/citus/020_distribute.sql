-- Distributed tables, by region, and reference tables, on every node. Run it on the coordinator after adding the workers.
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
    FOREACH name IN ARRAY everywhere LOOP
        IF NOT EXISTS (SELECT FROM citus_tables
                       WHERE table_name = name::regclass AND citus_table_type = 'reference') THEN
            PERFORM create_reference_table(name);
        END IF;
    END LOOP;
    FOREACH name IN ARRAY by_region LOOP
        IF NOT EXISTS (SELECT FROM citus_tables
                       WHERE table_name = name::regclass AND citus_table_type = 'distributed') THEN
            PERFORM create_distributed_table(name, 'region_id', colocate_with =>
                CASE WHEN name = by_region[1] THEN 'none' ELSE by_region[1] END);
        END IF;
    END LOOP;
END
$$;

-- Asset checks set planner options for joins with trips that are not analyzed yet; workers need these options too.
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET citus.propagate_set_commands = local', current_database());
END
$$;

-- Workers get the web service's statements under the names of its roles.
ALTER ROLE shifts_api LOGIN;
ALTER ROLE shifts_api_limited LOGIN;
ALTER ROLE shifts_api_aggregates LOGIN;
