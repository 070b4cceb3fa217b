-- The web service reads the outbox; on a server of its own this database has the role from here.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'shifts_api') THEN
        BEGIN
            CREATE ROLE shifts_api NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END IF;
    IF NOT pg_has_role(current_user, 'shifts_api', 'MEMBER') THEN
        GRANT shifts_api TO CURRENT_USER;
    END IF;
END
$$;
GRANT USAGE ON SCHEMA shifts_feed TO shifts_api;
GRANT SELECT ON shifts_feed.events TO shifts_api;
-- What was granted to everyone by default would let the service's role make up events.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA shifts_feed FROM PUBLIC;
