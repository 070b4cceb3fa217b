-- Keys, sessions and the audit trail, and what requests with limited keys may read and write.

-- Notifies all processes of the API: keys and the least number of trips of a cell take effect, and end, at once.
CREATE OR REPLACE FUNCTION shifts_store.notify_keys() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    PERFORM pg_notify('shifts_api_keys', '');
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER api_keys_changed
    AFTER INSERT OR DELETE OR UPDATE OF name, digest, session_secret, role, regions, aggregates_only, revoked_at
    ON shifts_store.api_keys FOR EACH STATEMENT EXECUTE FUNCTION shifts_store.notify_keys();
CREATE OR REPLACE TRIGGER sessions_ended
    AFTER INSERT ON shifts_store.ended_sessions FOR EACH STATEMENT EXECUTE FUNCTION shifts_store.notify_keys();
CREATE OR REPLACE TRIGGER min_count_changed
    AFTER INSERT OR DELETE OR UPDATE ON shifts_store.cell_settings FOR EACH STATEMENT
    EXECUTE FUNCTION shifts_store.notify_keys();

-- Records when keys were used last.
CREATE OR REPLACE FUNCTION shifts_store.touch_api_keys(key_ids bigint[], used_at timestamptz[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, shifts_store, pg_temp AS $$
    UPDATE shifts_store.api_keys k SET last_used_at = u.used_at
    FROM unnest(touch_api_keys.key_ids, touch_api_keys.used_at) AS u (key_id, used_at)
    WHERE k.key_id = u.key_id AND (k.last_used_at IS NULL OR k.last_used_at < u.used_at)
$$;

-- Ends a session before it expires, and forgets those that have expired since.
CREATE OR REPLACE FUNCTION shifts_store.end_session(session text, expires_at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, shifts_store, pg_temp AS $$
    DELETE FROM shifts_store.ended_sessions s WHERE s.expires_at < now();
    INSERT INTO shifts_store.ended_sessions (session, expires_at)
    VALUES (end_session.session, end_session.expires_at) ON CONFLICT DO NOTHING
$$;

-- Adds an entry to the audit trail.
CREATE OR REPLACE FUNCTION shifts_store.record_access(
    action text, actor text, key_id bigint, client text, target text, region text, request_id text)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, shifts_store, pg_temp AS $$
    INSERT INTO shifts_store.audit_trail (action, actor, key_id, client, target, region, request_id)
    VALUES (record_access.action, record_access.actor, record_access.key_id, record_access.client,
            record_access.target, record_access.region, record_access.request_id)
$$;

-- Gives the rest of the transaction a role that sees no more than a limited key may see. Null regions stand for all.
CREATE OR REPLACE FUNCTION shifts_store.limit_reads(region_names text[], limited_role text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    ids integer[] := ARRAY(SELECT r.region_id FROM shifts_store.regions r WHERE r.name = ANY (region_names));
BEGIN
    -- A statement, because Citus does not tell its workers of settings by `set_config`.
    EXECUTE format('SET LOCAL shifts.regions = %L', CASE WHEN region_names IS NULL THEN '*' ELSE ids::text END);
    PERFORM set_config('role', limited_role, true);
END
$$;

-- Refuses to write into regions that are not in the setting `shifts.writable_regions`, which a request with a limited key has.
-- A null stands for all regions.
CREATE OR REPLACE FUNCTION shifts_store.check_writable(regions text[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    allowed text[] := nullif(current_setting('shifts.writable_regions', true), '')::text[];
BEGIN
    IF EXISTS (SELECT FROM unnest(regions) AS r (name) WHERE (r.name = ANY (allowed)) IS NOT TRUE) AND allowed IS NOT NULL THEN
        RAISE EXCEPTION 'the key is limited to other regions' USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

-- Returns files of the ledger for a request with a limited key, newest first. One that is limited to regions sees files that
-- hold trips of its regions and of no other. Errors are withheld: they may quote a row.
CREATE OR REPLACE FUNCTION shifts_store.visible_files(
    wanted bigint, wanted_status text, wanted_task text, wanted_name text, before bigint, size integer)
RETURNS TABLE (file_id bigint, name text, uri text, status text, rows_loaded bigint, rows_rejected bigint, task_id text,
               run_id text, queued_at timestamptz, finished_at timestamptz, error text, deleted_by text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, shifts_store, pg_temp
SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    setting text := coalesce(current_setting('shifts.regions', true), '');
    allowed integer[] := CASE WHEN setting = '*' THEN NULL WHEN setting = '' THEN '{}' ELSE setting::integer[] END;
    file    shifts_store.trip_files;
    found   integer := 0;
BEGIN
    -- File by file, because Citus joins no distributed table with the ledger.
    FOR file IN
        SELECT f.* FROM shifts_store.trip_files f
        WHERE (wanted IS NULL OR f.file_id = wanted)
          AND (wanted_status IS NULL OR f.status = wanted_status)
          AND (wanted_task IS NULL OR f.task_id = wanted_task)
          AND (wanted_name IS NULL OR f.name = wanted_name)
          AND (before IS NULL OR f.file_id < before)
        ORDER BY f.file_id DESC
    LOOP
        EXIT WHEN found = size;
        CONTINUE WHEN allowed IS NOT NULL
                  AND (SELECT bool_and(c.region_id = ANY (allowed)) FROM shifts_store.file_week_counts c
                       WHERE c.file_id = file.file_id) IS NOT TRUE;
        found := found + 1;
        RETURN QUERY SELECT file.file_id, file.name, file.uri, file.status, file.rows_loaded, file.rows_rejected,
                            file.task_id, file.run_id, file.queued_at, file.finished_at,
                            CASE WHEN file.error IS NOT NULL THEN 'withheld, because it may quote a row' END, NULL::text;
    END LOOP;
END
$$;
