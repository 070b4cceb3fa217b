-- Roles and what they may do. Roles belong to the server and are not part of a dump, so this runs at every migration.
-- The web service reads the outbox. Its role is created here as well: this database may be on a server of its own.
-- Another platform on the same server may be creating the same role at this moment.

DO $$
DECLARE
    wanted     text;
    -- From 16 on a membership may be one that allows neither SET ROLE nor inheriting: its creator's, for example.
    membership text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['shifts_api'] LOOP
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

GRANT USAGE ON SCHEMA shifts_feed TO shifts_api;
GRANT SELECT ON shifts_feed.events TO shifts_api;
-- By default everyone may call functions; the web service must not publish events.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA shifts_feed FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shifts_feed.incarnation TO shifts_api;
