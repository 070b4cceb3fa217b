-- The identity of the database's history. Revisions and ids are unique within one history, and repeat after a restore.

-- Returns a text that differs after a restore, on another server, in a copy of the database, and after a failover.
CREATE OR REPLACE FUNCTION shifts_store.incarnation() RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT concat_ws('/', s.system_identifier, c.timeline_id, d.oid, t.oid, t.relfilenode)
    FROM pg_control_system() s, pg_control_checkpoint() c, pg_database d, pg_class t
    WHERE d.datname = current_database() AND t.oid = 'shifts_store.region_weeks'::regclass
$$;
