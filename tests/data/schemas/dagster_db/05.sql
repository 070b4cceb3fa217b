-- file: dagster_db/migrations/0001_feed.sql
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
-- file: dagster_db/migrations/0002_incarnations.sql
-- The histories that the outbox had: it gets another one by a restore.

CREATE TABLE shifts_feed.incarnations (
    incarnation text PRIMARY KEY,
    since       timestamptz NOT NULL DEFAULT now()
);
-- file: dagster_db/functions/feed.sql
-- Puts one event into the outbox; a second one of the same key is dropped. The lock is held to the commit, so
-- ids become visible in rising order and a listener that has seen n has seen everything up to n.
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

-- Which history the outbox has: a text that changes when the table is restored, on another server, in a copy of the
-- database, and after a failover. Ids are unique within one history.
CREATE OR REPLACE FUNCTION shifts_feed.incarnation() RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT concat_ws('/', s.system_identifier, c.timeline_id, d.oid, t.oid, t.relfilenode)
    FROM pg_control_system() s, pg_control_checkpoint() c, pg_database d, pg_class t
    WHERE d.datname = current_database() AND t.oid = 'shifts_feed.events'::regclass
$$;
-- file: dagster_db/functions/run_events.sql
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
-- file: dagster_db/grants/connections.sql
-- Settings of this database's sessions; they are not part of a dump either. A server that notices within half a minute that
-- a client's machine is gone releases its locks: of Dagster's own connections, too, which set nothing themselves.

DO $$
DECLARE
    setting text;
BEGIN
    FOREACH setting IN ARRAY ARRAY[
        'tcp_keepalives_idle = 10',
        'tcp_keepalives_interval = 5',
        'tcp_keepalives_count = 3',
        'tcp_user_timeout = 20000',
        'client_connection_check_interval = 10000'
    ] LOOP
        EXECUTE format('ALTER DATABASE %I SET %s', current_database(), setting);
    END LOOP;
EXCEPTION WHEN insufficient_privilege OR invalid_parameter_value THEN
    -- Only the database's owner may, and not every system knows all of them: the pipeline's connections set their own.
    RAISE WARNING 'the sessions of database % get no keepalives: %', current_database(), SQLERRM;
END
$$;
-- file: dagster_db/grants/event_ids.sql
-- A restored outbox goes on with ids that its former history cannot have reached. Otherwise a client that resumes with the
-- id of an event published after the backup would miss the events that have the ids up to it now.

DO $$
BEGIN
    IF EXISTS (SELECT FROM shifts_feed.incarnations i WHERE i.incarnation = shifts_feed.incarnation()) THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM shifts_feed.incarnations) THEN
        PERFORM setval('shifts_feed.events_event_id_seq', s.last_value + 1000000000)
        FROM shifts_feed.events_event_id_seq s;
    END IF;
    INSERT INTO shifts_feed.incarnations (incarnation) VALUES (shifts_feed.incarnation());
END
$$;
-- file: dagster_db/grants/roles.sql
-- Roles and what they may do. Roles belong to the server and are not part of a dump, so this runs at every migration.
-- The web service reads the outbox. Its role is created here as well: this database may be on a server of its own.
-- Another platform on the same server may be creating the same role at this moment.

DO $$
DECLARE
    wanted     text;
    -- From 16 on a membership may be one that allows neither SET ROLE nor inheriting: its creator's, for example.
    membership text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['shifts_api'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        IF NOT pg_has_role(current_user, wanted, membership) THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
        END IF;
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION '% may not create or grant role %: let a superuser run CREATE ROLE % NOLOGIN (unless it exists)'
        ' and GRANT % TO %', current_user, wanted, wanted, wanted, quote_ident(current_user)
        USING ERRCODE = 'insufficient_privilege';
END
$$;

-- Everyone may create there up to PostgreSQL 14, and so put functions into the way of others.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

GRANT USAGE ON SCHEMA shifts_feed TO shifts_api;
GRANT SELECT ON shifts_feed.events TO shifts_api;
-- By default everyone may call functions; the web service must not publish events.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA shifts_feed FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shifts_feed.incarnation TO shifts_api;
