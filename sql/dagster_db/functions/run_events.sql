-- Copies events of Dagster's log to the outbox. The trigger sees every insert, including batches, and copies the types
-- listed here; all others cost one comparison, no lock and no parsing. An error here never fails Dagster's insert.

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

-- Returns null for invalid JSON, and for characters that PostgreSQL's text cannot store.
CREATE OR REPLACE FUNCTION shifts_feed.try_parse_json(document text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, shifts_feed, pg_temp AS $$
BEGIN
    RETURN document::jsonb;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$$;

-- Returns "trip_clusters" for Dagster's '["trip_clusters"]'.
CREATE OR REPLACE FUNCTION shifts_feed.asset_name(asset_key text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT string_agg(part, '/') FROM jsonb_array_elements_text(shifts_feed.try_parse_json(asset_key)) AS part
$$;

-- Inserts one of Dagster's events into the outbox, once. Type, run, asset and partition come from columns of the log, so
-- an event whose JSON cannot be parsed only lacks its message and details. Tags of the run list its tasks; the prefix
-- `.dagster/` hides them in the Dagster UI, and older runs have tags without it.
CREATE OR REPLACE FUNCTION shifts_feed.publish_run_event(
    log_id bigint, run_id text, dagster_type text, event jsonb, asset_key text, partition text)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_feed, pg_temp AS $$
DECLARE
    event_data jsonb := event #> '{dagster_event,event_specific_data}';
    is_check    boolean := dagster_type = 'ASSET_CHECK_EVALUATION';
    tasks       text[];
BEGIN
    IF is_check AND event_data ->> 'success' IS DISTINCT FROM 'false' THEN
        RETURN;
    END IF;
    SELECT array_agg(task ORDER BY t.id) INTO tasks
    FROM public.run_tags t, string_to_table(t.value, ',') AS task
    WHERE t.run_id = publish_run_event.run_id
      AND (starts_with(t.key, '.dagster/shifts_task_ids.') OR starts_with(t.key, 'shifts/task_ids.'));
    PERFORM shifts_feed.publish(
        shifts_feed.run_event_type(dagster_type),
        publish_run_event.run_id,
        tasks,
        coalesce(shifts_feed.asset_name(publish_run_event.asset_key),
                 shifts_feed.asset_name(event_data #>> '{asset_key,path}')),
        coalesce(publish_run_event.partition, event_data ->> 'partition'),
        CASE WHEN is_check THEN format('check %s failed', event_data ->> 'check_name')
             ELSE coalesce(nullif(event_data #>> '{materialization,description}', ''),
                           nullif(event #>> '{dagster_event,message}', ''), nullif(event ->> 'user_message', ''))
        END,
        CASE WHEN is_check THEN jsonb_build_object('check', event_data ->> 'check_name')
             ELSE jsonb_strip_nulls(jsonb_build_object('job', event ->> 'pipeline_name'))
        END,
        'event_logs:' || log_id);
END
$$;

CREATE OR REPLACE FUNCTION shifts_feed.publish_event_logs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, shifts_feed, pg_temp AS $$
DECLARE
    logged record;
BEGIN
    FOR logged IN
        SELECT n.id, n.run_id, n.dagster_event_type, n.event, n.asset_key, n.partition
        FROM new_events n
        WHERE shifts_feed.run_event_type(n.dagster_event_type) IS NOT NULL
        ORDER BY n.id
    LOOP
        BEGIN
            PERFORM shifts_feed.publish_run_event(
                logged.id, logged.run_id, logged.dagster_event_type, shifts_feed.try_parse_json(logged.event),
                logged.asset_key, logged.partition);
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'shifts_feed: event % is not published: %', logged.id, SQLERRM;
        END;
    END LOOP;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER shifts_feed AFTER INSERT ON public.event_logs
    REFERENCING NEW TABLE AS new_events
    FOR EACH STATEMENT EXECUTE FUNCTION shifts_feed.publish_event_logs();
