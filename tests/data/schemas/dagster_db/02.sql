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
-- file: 020_run_events.sql
-- Dagster's own events that listeners are told of. The trigger sees every insert, batches too, and passes on the
-- few types that matter; all others cost one comparison. Whatever goes wrong here, Dagster's insert succeeds.

CREATE OR REPLACE FUNCTION shifts_feed.run_event_type(dagster_type text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE dagster_type
        WHEN 'PIPELINE_ENQUEUED' THEN 'run.queued'
        WHEN 'PIPELINE_START' THEN 'run.started'
        WHEN 'PIPELINE_SUCCESS' THEN 'run.succeeded'
        WHEN 'PIPELINE_FAILURE' THEN 'run.failed'
        WHEN 'PIPELINE_CANCELED' THEN 'run.canceled'
        WHEN 'ASSET_MATERIALIZATION' THEN 'asset.materialized'
        WHEN 'ASSET_CHECK_EVALUATION' THEN 'check.failed'
    END
$$;

-- "trip_clusters" from Dagster's '["trip_clusters"]'.
CREATE OR REPLACE FUNCTION shifts_feed.asset_name(asset_key text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT string_agg(part, '/') FROM jsonb_array_elements_text(asset_key::jsonb) AS part
$$;

CREATE OR REPLACE FUNCTION shifts_feed.publish_run_event(
    log_id bigint, run_id text, dagster_type text, event jsonb, asset_key text, partition text)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    evaluation jsonb := event #> '{dagster_event,event_specific_data}';
    tasks      text[];
BEGIN
    IF dagster_type = 'ASSET_CHECK_EVALUATION' AND coalesce((evaluation ->> 'success')::boolean, true) THEN
        RETURN;
    END IF;
    SELECT string_to_array(t.value, ',') INTO tasks
    FROM run_tags t WHERE t.run_id = publish_run_event.run_id AND t.key = 'shifts/task_ids';
    PERFORM shifts_feed.publish(
        shifts_feed.run_event_type(dagster_type), publish_run_event.run_id, tasks,
        coalesce(shifts_feed.asset_name(publish_run_event.asset_key), evaluation #>> '{asset_key,path,0}'),
        publish_run_event.partition,
        CASE dagster_type
            WHEN 'ASSET_MATERIALIZATION' THEN coalesce(evaluation #>> '{materialization,description}',
                                                       event #>> '{dagster_event,message}')
            WHEN 'ASSET_CHECK_EVALUATION' THEN format('check %s failed', evaluation ->> 'check_name')
            ELSE coalesce(nullif(event #>> '{dagster_event,message}', ''), event ->> 'user_message')
        END,
        CASE dagster_type
            WHEN 'ASSET_CHECK_EVALUATION' THEN jsonb_build_object('check', evaluation ->> 'check_name')
            ELSE jsonb_build_object('job', event ->> 'pipeline_name')
        END,
        'event_logs:' || log_id);
END
$$;

CREATE OR REPLACE FUNCTION shifts_feed.on_event_logs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT n.id, n.run_id, n.dagster_event_type, n.event, n.asset_key, n.partition
        FROM new_events n
        WHERE shifts_feed.run_event_type(n.dagster_event_type) IS NOT NULL
        ORDER BY n.id
    LOOP
        BEGIN
            PERFORM shifts_feed.publish_run_event(
                one.id, one.run_id, one.dagster_event_type, one.event::jsonb, one.asset_key, one.partition);
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'shifts_feed: event % is not passed on: %', one.id, SQLERRM;
        END;
    END LOOP;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER shifts_feed AFTER INSERT ON event_logs
    REFERENCING NEW TABLE AS new_events
    FOR EACH STATEMENT EXECUTE FUNCTION shifts_feed.on_event_logs();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'shifts_api') THEN
        GRANT USAGE ON SCHEMA shifts_feed TO shifts_api;
        GRANT SELECT ON shifts_feed.events TO shifts_api;
    END IF;
END
$$;
