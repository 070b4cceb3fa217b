-- Which tables are spread over the workers, by region, and which are on every node; on the coordinator, once it knows
-- its workers. What is not named here stays on the coordinator: the ledger and its totals, rejects, idempotency keys.
--
-- The books of a pair of region and week (region_weeks, file_week_counts) are with its trips, so that one transaction
-- on one worker shows both or neither: a refresh that saw the books of a load without its trips would lose them.

DO $$
DECLARE
    everywhere text[] := ARRAY['shifts_store.regions', 'shifts_store.sources'];
    -- The first one decides which region is where; the others are with it.
    by_region  text[] := ARRAY[
        'shifts_store.region_weeks',
        'shifts_store.file_week_counts',
        'shifts_store.trips',
        'shifts_store.trip_clusters',
        'shifts_store.trip_cluster_members',
        'shifts_store.weekly_trip_tiles',
        'shifts_store.refresh_attempts'];
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

-- A check tells the planner how to join trips that have no statistics yet; the workers have to hear it.
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET citus.propagate_set_commands = local', current_database());
END
$$;

-- The web service's statements go to the workers under the name of its role.
ALTER ROLE shifts_api LOGIN;
