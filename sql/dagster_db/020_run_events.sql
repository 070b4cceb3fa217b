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
