-- Rights in Dagster's database. The web service reads the outbox; its role is created here too, because this database
-- may be on another server than the trips.

SELECT pg_temp.ensure_role('shifts_api');
SELECT pg_temp.ensure_role('shifts_api_limited', 'shifts_api');

GRANT USAGE ON SCHEMA shifts_feed TO shifts_api, shifts_api_limited;
GRANT SELECT ON shifts_feed.events TO shifts_api, shifts_api_limited;
-- By default every user may call functions; the web service must not publish events.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA shifts_feed FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shifts_feed.incarnation TO shifts_api;
