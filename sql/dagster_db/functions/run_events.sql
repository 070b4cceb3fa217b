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

-- Returns the message of the error that caused another, without empty lines at its end.
CREATE OR REPLACE FUNCTION shifts_feed.root_cause(error jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, shifts_feed, pg_temp AS $$
BEGIN
    WHILE jsonb_typeof(error -> 'cause') = 'object' LOOP
        error := error -> 'cause';
    END LOOP;
    RETURN nullif(rtrim(error ->> 'message', E'\n '), '');
END
$$;

-- Returns why a run failed: the description of the `Failure` that its first failed step raised, or the cause of its error.
-- Null if the event states neither; its message is the reason then, as that of a run whose worker is gone.
CREATE OR REPLACE FUNCTION shifts_feed.failure_reason(event_data jsonb) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(nullif(step #>> '{user_failure_data,description}', ''), shifts_feed.root_cause(step -> 'error'),
                    shifts_feed.root_cause(event_data -> 'error'))
    FROM (VALUES (event_data #> '{first_step_failure_event,event_specific_data}')) AS failure (step)
$$;

-- Returns the task ids in a run's tags, and its partition, or the first and the last one of its range. The prefix `.dagster/`
-- hides task ids in the Dagster UI; older runs have tags without it.
CREATE OR REPLACE FUNCTION shifts_feed.run_tags(
    run_id text, OUT task_ids text[], OUT partition text, OUT first_partition text, OUT last_partition text)
LANGUAGE sql STABLE SET search_path = pg_catalog, shifts_feed, pg_temp AS $$
    SELECT (SELECT array_agg(task ORDER BY t.id) FROM public.run_tags t, string_to_table(t.value, ',') AS task
            WHERE t.run_id = run_tags.run_id
              AND (starts_with(t.key, '.dagster/shifts_task_ids.') OR starts_with(t.key, 'shifts/task_ids.'))),
           coalesce(max(t.value) FILTER (WHERE t.key = 'dagster/partition'),
                    CASE WHEN count(DISTINCT t.value) FILTER (WHERE t.key LIKE 'dagster/asset_partition_range_%') = 1
                         THEN max(t.value) FILTER (WHERE t.key = 'dagster/asset_partition_range_start') END),
           max(t.value) FILTER (WHERE t.key = 'dagster/asset_partition_range_start'),
           max(t.value) FILTER (WHERE t.key = 'dagster/asset_partition_range_end')
    FROM public.run_tags t WHERE t.run_id = run_tags.run_id
$$;

-- Publishes the failure of an asset check, once per key.
CREATE OR REPLACE FUNCTION shifts_feed.publish_check_failure(
    run_id text, task_ids text[], event jsonb, partition text, severity text, reason text, dedupe_key text)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_feed, pg_temp AS $$
DECLARE
    event_data jsonb := event #> '{dagster_event,event_specific_data}';
BEGIN
    PERFORM shifts_feed.publish(
        'check.failed', publish_check_failure.run_id, publish_check_failure.task_ids,
        shifts_feed.asset_name(event_data #>> '{asset_key,path}'),
        coalesce(publish_check_failure.partition, event_data ->> 'partition'),
        format('check %s failed', event_data ->> 'check_name') || coalesce(': ' || publish_check_failure.reason, ''),
        jsonb_strip_nulls(jsonb_build_object(
            'check', event_data ->> 'check_name', 'severity', publish_check_failure.severity,
            'job', event ->> 'pipeline_name')),
        publish_check_failure.dedupe_key);
END
$$;

-- Publishes the checks that a failed run was to evaluate and did not, because they raised an error or its worker died.
-- Checks of an asset that the run was to materialize are left out: without its data there is nothing to check.
CREATE OR REPLACE FUNCTION shifts_feed.publish_unevaluated_checks(run_id text, task_ids text[], reason text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_feed, pg_temp AS $$
DECLARE
    planned record;
BEGIN
    FOR planned IN
        WITH logged AS (
            SELECT e.id, e.dagster_event_type AS type, e.asset_key, shifts_feed.try_parse_json(e.event) AS event,
                   e.partition
            FROM public.event_logs e
            WHERE e.run_id = publish_unevaluated_checks.run_id
              AND e.dagster_event_type IN ('ASSET_CHECK_EVALUATION_PLANNED', 'ASSET_CHECK_EVALUATION',
                                           'ASSET_MATERIALIZATION_PLANNED')
        ), checks AS (
            SELECT l.id, l.type, l.event, l.partition, d.event_data ->> 'check_name' AS name,
                   shifts_feed.asset_name(d.event_data #>> '{asset_key,path}') AS asset
            FROM logged l, LATERAL (SELECT l.event #> '{dagster_event,event_specific_data}' AS event_data) AS d
            WHERE l.type <> 'ASSET_MATERIALIZATION_PLANNED'
        )
        SELECT c.id, c.event, c.partition FROM checks c
        WHERE c.type = 'ASSET_CHECK_EVALUATION_PLANNED'
          AND (c.asset, c.name) NOT IN (SELECT k.asset, k.name FROM checks k WHERE k.type = 'ASSET_CHECK_EVALUATION')
          AND c.asset NOT IN (SELECT shifts_feed.asset_name(l.asset_key) FROM logged l
                              WHERE l.type = 'ASSET_MATERIALIZATION_PLANNED')
        ORDER BY c.id
    LOOP
        PERFORM shifts_feed.publish_check_failure(
            publish_unevaluated_checks.run_id, publish_unevaluated_checks.task_ids, planned.event, planned.partition,
            'ERROR', 'it was not evaluated: ' || publish_unevaluated_checks.reason, 'event_logs:' || planned.id);
    END LOOP;
END
$$;

-- Inserts one of Dagster's events into the outbox, once. Type, run, asset and partition come from columns of the log, so
-- an event whose JSON cannot be parsed only lacks its message and details.
CREATE OR REPLACE FUNCTION shifts_feed.publish_run_event(
    log_id bigint, run_id text, dagster_type text, event jsonb, asset_key text, partition text)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_feed, pg_temp AS $$
DECLARE
    event_data jsonb := event #> '{dagster_event,event_specific_data}';
    is_asset   boolean := dagster_type = 'ASSET_MATERIALIZATION';
    dedupe_key text := 'event_logs:' || log_id;
    -- A file's materialization names its task. All tasks of its run would be a list of hundreds in each of hundreds of events.
    own_task   text := jsonb_path_query_first(
        event_data, '$.materialization.metadata_entries[*] ? (@.label == "task_id").entry_data.text') #>> '{}';
    message    text;
    tags       record;
BEGIN
    IF dagster_type = 'ASSET_CHECK_EVALUATION' AND event_data ->> 'success' IS DISTINCT FROM 'false' THEN
        RETURN;
    END IF;
    IF own_task IS NULL THEN
        tags := shifts_feed.run_tags(publish_run_event.run_id);
    ELSE
        SELECT ARRAY[own_task] AS task_ids, NULL AS partition, NULL AS first_partition, NULL AS last_partition INTO tags;
    END IF;
    IF dagster_type = 'ASSET_CHECK_EVALUATION' THEN
        PERFORM shifts_feed.publish_check_failure(
            publish_run_event.run_id, tags.task_ids, event, publish_run_event.partition,
            split_part(event_data #>> '{severity,__enum__}', '.', 2), nullif(event_data ->> 'description', ''), dedupe_key);
        RETURN;
    END IF;
    message := coalesce(
        shifts_feed.failure_reason(CASE WHEN dagster_type = 'PIPELINE_FAILURE' THEN event_data END),
        nullif(event_data #>> '{materialization,description}', ''),
        nullif(event #>> '{dagster_event,message}', ''), nullif(event ->> 'user_message', ''));
    PERFORM shifts_feed.publish(
        shifts_feed.run_event_type(dagster_type),
        publish_run_event.run_id,
        tags.task_ids,
        shifts_feed.asset_name(publish_run_event.asset_key),
        CASE WHEN is_asset THEN publish_run_event.partition ELSE tags.partition END,
        message,
        jsonb_strip_nulls(jsonb_build_object(
            'job', event ->> 'pipeline_name',
            'step', event_data #>> '{first_step_failure_event,step_handle,key}',
            'first_partition', CASE WHEN NOT is_asset THEN tags.first_partition END,
            'last_partition', CASE WHEN NOT is_asset THEN tags.last_partition END)),
        dedupe_key);
    IF dagster_type = 'PIPELINE_FAILURE' THEN
        PERFORM shifts_feed.publish_unevaluated_checks(publish_run_event.run_id, tags.task_ids, message);
    END IF;
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
