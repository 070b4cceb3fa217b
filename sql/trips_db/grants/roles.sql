-- Roles and what they may do. Roles belong to the server and are not part of a dump, so this runs at every migration.
--   shifts_reader  reads the views of schema shifts (QGIS, Metabase, a prompt)
--   shifts_api     the web service: reads everything, changes data through functions only
-- Neither can log in: login users are granted one of them. The pipeline runs as the owner of the schema.
-- Another platform on the same server may be creating the same role at this moment.

DO $$
DECLARE
    wanted     text;
    -- From 16 on a membership may be one that allows neither SET ROLE nor inheriting: its creator's, for example.
    membership text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['shifts_reader', 'shifts_api'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        IF NOT pg_has_role(current_user, wanted, membership) THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
        END IF;
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION '% may not create or grant role %: let a superuser run CREATE ROLE % NOLOGIN (unless it exists)'
        ' and GRANT % TO %', current_user, wanted, wanted, wanted, quote_ident(current_user)
        USING ERRCODE = 'insufficient_privilege';
END
$$;

-- Everyone may create there up to PostgreSQL 14, and so put functions into the way of others.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

GRANT USAGE ON SCHEMA shifts TO shifts_reader, shifts_api;
GRANT SELECT ON ALL TABLES IN SCHEMA shifts TO shifts_reader, shifts_api;
GRANT USAGE ON SCHEMA shifts_store TO shifts_api;
GRANT SELECT ON ALL TABLES IN SCHEMA shifts_store TO shifts_api;
ALTER DEFAULT PRIVILEGES IN SCHEMA shifts_store GRANT SELECT ON TABLES TO shifts_api;

REVOKE ALL ON FUNCTION shifts_store.claim_key, shifts_store.prepare_weeks, shifts_store.prepare_trips,
    shifts_store.post_trips, shifts_store.request_file, shifts_store.ledger_totals FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shifts_store.prepare_weeks, shifts_store.prepare_trips, shifts_store.post_trips,
    shifts_store.request_file, shifts_store.ledger_totals TO shifts_api;
GRANT SELECT ON ALL TABLES IN SCHEMA shifts_store TO shifts_api;
