-- Inserts an event into the outbox, unless one with the same key exists. The lock is held until the commit, so that ids
-- become visible in increasing order: a listener that has seen an id has seen all smaller ones.
CREATE OR REPLACE FUNCTION shifts_feed.publish(
    type text, run_id text, task_ids text[], asset text, partition text, message text,
    details jsonb DEFAULT '{}', dedupe_key text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_feed, pg_temp AS $$
DECLARE
    new_id bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('shifts_feed.events'));
    INSERT INTO shifts_feed.events AS e (type, run_id, task_ids, asset, partition, message, details, dedupe_key)
    VALUES (publish.type, publish.run_id, coalesce(publish.task_ids, '{}'), publish.asset, publish.partition,
            publish.message, publish.details, publish.dedupe_key)
    ON CONFLICT ON CONSTRAINT events_dedupe_key_key DO NOTHING
    RETURNING event_id INTO new_id;
    IF new_id IS NOT NULL THEN
        PERFORM pg_notify('shifts_feed', new_id::text);
    END IF;
END
$$;

-- Returns the identity of the outbox's history: a text that differs after a restore, on another server, in a copy of the
-- database, and after a failover. Ids are unique within one history.
CREATE OR REPLACE FUNCTION shifts_feed.incarnation() RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT concat_ws('/', s.system_identifier, c.timeline_id, d.oid, t.oid, t.relfilenode)
    FROM pg_control_system() s, pg_control_checkpoint() c, pg_database d, pg_class t
    WHERE d.datname = current_database() AND t.oid = 'shifts_feed.events'::regclass
$$;
