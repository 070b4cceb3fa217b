-- file: 010_feed.sql
-- The feed's outbox, in Dagster's database: what listeners are told, in the order in which it was committed.

CREATE SCHEMA IF NOT EXISTS shifts_feed;

CREATE TABLE IF NOT EXISTS shifts_feed.events (
    event_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type        text NOT NULL,
    occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    run_id      text,
    task_ids    text[] NOT NULL DEFAULT '{}',
    asset       text,
    partition   text,
    message     text,
    details     jsonb NOT NULL DEFAULT '{}',
    dedupe_key  text UNIQUE
);
CREATE INDEX IF NOT EXISTS events_by_time ON shifts_feed.events USING brin (occurred_at);

-- Puts one event into the outbox; a second one of the same key is dropped. The lock is held to the commit, so
-- ids become visible in rising order and a listener that has seen n has seen everything up to n.
CREATE OR REPLACE FUNCTION shifts_feed.publish(
    type text, run_id text, task_ids text[], asset text, partition text, message text,
    details jsonb DEFAULT '{}', dedupe_key text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql AS $$
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
