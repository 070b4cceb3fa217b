-- What Citus needs of roles: workers receive statements under the name of the role that reads, and check its rights on the
-- tables below the views. Nothing is to be done for a database on one server.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        RETURN;
    END IF;
    ALTER ROLE shifts_api LOGIN;
    ALTER ROLE shifts_api_limited LOGIN;
    ALTER ROLE shifts_api_aggregates LOGIN;
    GRANT USAGE ON SCHEMA shifts_store TO shifts_reader;
    GRANT SELECT ON shifts_store.regions, shifts_store.sources, shifts_store.trips, shifts_store.trip_clusters,
        shifts_store.file_week_counts, shifts_store.shifts, shifts_store.zones, shifts_store.expired_totals TO shifts_reader;
    -- Settings for one transaction apply on the workers, too.
    EXECUTE format('ALTER DATABASE %I SET citus.propagate_set_commands = local', current_database());
END
$$;
