-- Roles: what a connection may do. Login users are granted one of these; none of them can log in itself.
--   shifts_reader  reads the views of schema shifts (QGIS, Metabase, a prompt)
--   shifts_api     what the web service runs as: reads everything, changes nothing but through functions
-- The pipeline runs as the owner of the schema.
-- Roles belong to the whole server, so a second platform on it may be creating the same one at this moment.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['shifts_reader', 'shifts_api'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        IF NOT pg_has_role(current_user, wanted, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
        END IF;
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA shifts TO shifts_reader, shifts_api;
GRANT SELECT ON ALL TABLES IN SCHEMA shifts TO shifts_reader, shifts_api;
GRANT USAGE ON SCHEMA shifts_store TO shifts_api;
GRANT SELECT ON ALL TABLES IN SCHEMA shifts_store TO shifts_api;
ALTER DEFAULT PRIVILEGES IN SCHEMA shifts_store GRANT SELECT ON TABLES TO shifts_api;

REVOKE ALL ON FUNCTION shifts_store.claim_key, shifts_store.prepare_trips, shifts_store.post_trips,
    shifts_store.request_file FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shifts_store.prepare_trips, shifts_store.post_trips, shifts_store.request_file
    TO shifts_api;
GRANT SELECT ON ALL TABLES IN SCHEMA shifts_store TO shifts_api;
