-- Dagster's own events that listeners are told of. The trigger sees every insert, batches too, and passes on the
-- few types that matter; all others cost one comparison, no lock and no parsing. Whatever goes wrong here,
-- Dagster's insert succeeds.

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

-- Null for what is no JSON, or holds a character that PostgreSQL's text cannot.
CREATE OR REPLACE FUNCTION shifts_feed.parsed(document text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, shifts_feed, pg_temp AS $$
BEGIN
    RETURN document::jsonb;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$$;

-- "trip_clusters" from Dagster's '["trip_clusters"]'.
CREATE OR REPLACE FUNCTION shifts_feed.asset_name(asset_key text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT string_agg(part, '/') FROM jsonb_array_elements_text(shifts_feed.parsed(asset_key)) AS part
$$;

-- Puts one of Dagster's events into the outbox, once. What its JSON does not tell is left out: type, run, asset
-- and partition stand in columns of their own.
CREATE OR REPLACE FUNCTION shifts_feed.publish_run_event(
    log_id bigint, run_id text, dagster_type text, event jsonb, asset_key text, partition text)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_feed, pg_temp AS $$
DECLARE
    particulars jsonb := event #> '{dagster_event,event_specific_data}';
    is_check    boolean := dagster_type = 'ASSET_CHECK_EVALUATION';
    tasks       text[];
BEGIN
    IF is_check AND particulars ->> 'success' IS DISTINCT FROM 'false' THEN
        RETURN;
    END IF;
    SELECT array_agg(task ORDER BY t.id) INTO tasks
    FROM public.run_tags t, string_to_table(t.value, ',') AS task
    WHERE t.run_id = publish_run_event.run_id AND t.key LIKE 'shifts/task_ids.%';
    PERFORM shifts_feed.publish(
        shifts_feed.run_event_type(dagster_type),
        publish_run_event.run_id,
        tasks,
        coalesce(shifts_feed.asset_name(publish_run_event.asset_key),
                 shifts_feed.asset_name(particulars #>> '{asset_key,path}')),
        coalesce(publish_run_event.partition, particulars ->> 'partition'),
        CASE WHEN is_check THEN format('check %s failed', particulars ->> 'check_name')
             ELSE coalesce(nullif(particulars #>> '{materialization,description}', ''),
                           nullif(event #>> '{dagster_event,message}', ''), nullif(event ->> 'user_message', ''))
        END,
        CASE WHEN is_check THEN jsonb_build_object('check', particulars ->> 'check_name')
             ELSE jsonb_strip_nulls(jsonb_build_object('job', event ->> 'pipeline_name'))
        END,
        'event_logs:' || log_id);
END
$$;

CREATE OR REPLACE FUNCTION shifts_feed.on_event_logs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, shifts_feed, pg_temp AS $$
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
                one.id, one.run_id, one.dagster_event_type, shifts_feed.parsed(one.event), one.asset_key,
                one.partition);
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'shifts_feed: event % is not passed on: %', one.id, SQLERRM;
        END;
    END LOOP;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER shifts_feed AFTER INSERT ON public.event_logs
    REFERENCING NEW TABLE AS new_events
    FOR EACH STATEMENT EXECUTE FUNCTION shifts_feed.on_event_logs();
