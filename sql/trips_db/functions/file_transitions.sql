-- The states of a file version and the transitions between them. A status is changed by the functions of this file, by
-- `promote_duplicate` and by those of deletions.sql only: a trigger refuses any other change. docs/loading.md has the diagram.

-- Which states each transition leads from and to. A transition from null creates the record: `request` is the function
-- `request_file`, `post` is `post_trips`.
CREATE OR REPLACE FUNCTION shifts_store.file_transitions()
RETURNS TABLE (transition text, from_status text, to_status text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    VALUES
        ('register',          NULL,         'queued'),
        ('register',          'superseded', 'queued'),
        ('request',           NULL,         'queued'),
        ('post',              NULL,         'loaded'),
        ('request_run',       'queued',     'queued'),
        ('request_run',       'loading',    'queued'),
        ('begin',             'queued',     'loading'),
        ('begin',             'loading',    'loading'),
        ('begin',             'failed',     'loading'),
        ('begin',             'duplicate',  'loading'),
        ('finish',            'loading',    'loaded'),
        ('finish',            'loaded',     'loaded'),
        ('mark_duplicate',    'queued',     'duplicate'),
        ('mark_duplicate',    'loading',    'duplicate'),
        ('mark_duplicate',    'loaded',     'duplicate'),
        ('fail',              'queued',     'failed'),
        ('fail',              'loading',    'failed'),
        ('fail_reload',       'loaded',     'loaded'),
        ('retry',             'queued',     'queued'),
        ('retry',             'loading',    'queued'),
        ('await_version',     'loading',    'queued'),
        ('supersede',         'queued',     'superseded'),
        ('supersede',         'loading',    'superseded'),
        ('supersede',         'loaded',     'superseded'),
        ('supersede',         'duplicate',  'superseded'),
        ('supersede',         'failed',     'superseded'),
        ('promote_duplicate', 'duplicate',  'superseded'),
        ('requeue',           'duplicate',  'queued'),
        ('delete',            'queued',     'deleting'),
        ('delete',            'loading',    'deleting'),
        ('delete',            'loaded',     'deleting'),
        ('delete',            'failed',     'deleting'),
        ('delete',            'duplicate',  'deleting'),
        ('delete',            'superseded', 'deleting'),
        ('finish_deletion',   'deleting',   'deleted')
$$;

-- Refuses a change of status that the named transition does not allow. A transition function names itself in the setting
-- `shifts.transition` for its next update of a status. Posted lists never change, but they may be deleted.
CREATE OR REPLACE FUNCTION shifts_store.check_file_transition() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    used text := current_setting('shifts.transition', true);
BEGIN
    IF NEW.kind = 'json' AND used NOT IN ('delete', 'finish_deletion') OR NOT EXISTS (
        SELECT FROM shifts_store.file_transitions() t
        WHERE t.transition = used AND t.from_status = OLD.status AND t.to_status = NEW.status)
    THEN
        RAISE EXCEPTION 'file % (%): a change from % to % is not allowed by the transition "%"',
            NEW.file_id, NEW.name, OLD.status, NEW.status, used
            USING ERRCODE = 'SH409';
    END IF;
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER trip_files_transition BEFORE UPDATE OF status ON shifts_store.trip_files
    FOR EACH ROW EXECUTE FUNCTION shifts_store.check_file_transition();

-- Resets the name after an update. A SET clause of the functions would do it, but only superusers may create these.
CREATE OR REPLACE FUNCTION shifts_store.end_file_transition() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    PERFORM set_config('shifts.transition', '', true);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER trip_files_transition_end AFTER UPDATE OF status ON shifts_store.trip_files
    FOR EACH STATEMENT EXECUTE FUNCTION shifts_store.end_file_transition();

-- Queues every version that is in the landing zone and new, or back after another version superseded it. Returns how
-- many are queued.
CREATE OR REPLACE FUNCTION shifts_store.register_files(uris text[], names text[], versions text[], sizes bigint[])
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    new_files bigint;
    back      bigint;
BEGIN
    PERFORM set_config('shifts.transition', 'register', true);
    INSERT INTO shifts_store.trip_files (uri, name, version, size_bytes)
    SELECT u.uri, u.name, u.version, u.size_bytes
    FROM unnest(uris, names, versions, sizes) WITH ORDINALITY AS u (uri, name, version, size_bytes, position)
    WHERE NOT EXISTS (SELECT FROM shifts_store.trip_files k WHERE k.uri = u.uri AND k.version = u.version)
    ORDER BY u.position
    ON CONFLICT (uri, version) DO NOTHING;
    GET DIAGNOSTICS new_files = ROW_COUNT;
    UPDATE shifts_store.trip_files f
    SET status = 'queued', queued_at = clock_timestamp(), run_request_id = NULL, requested_at = NULL, attempts = 0,
        error = NULL
    FROM unnest(uris, versions) AS u (uri, version)
    WHERE f.uri = u.uri AND f.version = u.version AND f.status = 'superseded';
    GET DIAGNOSTICS back = ROW_COUNT;
    RETURN new_files + back;
END
$$;

-- The key of the advisory lock that a worker holds while it loads the file of a name.
CREATE OR REPLACE FUNCTION shifts_store.file_lock(name text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT hashtextextended('file:' || name, 0) $$;

-- A run is requested, once more, for these open files. A file whose lock a live worker holds is left to that worker.
CREATE OR REPLACE FUNCTION shifts_store.request_run(file_ids bigint[], run_request_id text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
    SELECT set_config('shifts.transition', 'request_run', true);
    UPDATE shifts_store.trip_files f
    SET status = 'queued', run_request_id = request_run.run_request_id, requested_at = clock_timestamp(),
        attempts = f.attempts + 1
    WHERE f.file_id = ANY (file_ids) AND f.status IN ('queued', 'loading')
      AND pg_try_advisory_xact_lock(shifts_store.file_lock(f.name))
$$;

-- A worker begins to load a file.
CREATE OR REPLACE FUNCTION shifts_store.begin_file(file_id bigint, run_id text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
    SELECT set_config('shifts.transition', 'begin', true);
    UPDATE shifts_store.trip_files f
    SET status = 'loading', run_id = begin_file.run_id, error = NULL, started_at = clock_timestamp(),
        finished_at = NULL, published_at = NULL
    WHERE f.file_id = begin_file.file_id
$$;

-- The rows of a file are written and are now the ones that count. `finish_load` comes here last.
CREATE OR REPLACE FUNCTION shifts_store.finish_file(
    file_id bigint, content_hash text, rows_loaded bigint, rows_rejected bigint)
RETURNS void
LANGUAGE sql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
    SELECT set_config('shifts.transition', 'finish', true);
    UPDATE shifts_store.trip_files f
    SET status = 'loaded', content_hash = finish_file.content_hash, rows_loaded = finish_file.rows_loaded,
        rows_rejected = finish_file.rows_rejected, rows_expired = 0, duplicate_of = NULL, error = NULL,
        finished_at = clock_timestamp(), published_at = NULL
    WHERE f.file_id = finish_file.file_id
$$;

-- The bytes of these files are those of a loaded file.
CREATE OR REPLACE FUNCTION shifts_store.mark_duplicates(
    file_ids bigint[], original bigint, content_hash text, run_id text)
RETURNS void
LANGUAGE sql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
    SELECT set_config('shifts.transition', 'mark_duplicate', true);
    UPDATE shifts_store.trip_files f
    SET status = 'duplicate', duplicate_of = original,
        content_hash = coalesce(mark_duplicates.content_hash, f.content_hash),
        rows_loaded = 0, rows_rejected = 0, error = NULL, run_id = coalesce(mark_duplicates.run_id, f.run_id),
        finished_at = clock_timestamp(), published_at = NULL
    WHERE f.file_id = ANY (file_ids)
$$;

-- These files cannot be loaded. With `is_gone`, they are no longer in the landing zone: each gives up its version, so
-- that the same version is registered as a new one when it comes back.
CREATE OR REPLACE FUNCTION shifts_store.fail_files(file_ids bigint[], error text, run_id text, is_gone boolean)
RETURNS void
LANGUAGE sql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
    SELECT set_config('shifts.transition', 'fail', true);
    UPDATE shifts_store.trip_files f
    SET status = 'failed', error = fail_files.error, rows_loaded = 0, run_id = coalesce(fail_files.run_id, f.run_id),
        version = CASE WHEN is_gone THEN 'gone-' || f.file_id ELSE f.version END,
        finished_at = clock_timestamp(), published_at = NULL
    WHERE f.file_id = ANY (file_ids)
$$;

-- A loaded file was to be loaded again and could not be read: what was loaded before stays.
CREATE OR REPLACE FUNCTION shifts_store.fail_reload(file_id bigint, error text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
    SELECT set_config('shifts.transition', 'fail_reload', true);
    UPDATE shifts_store.trip_files f
    SET status = 'loaded', error = fail_reload.error, finished_at = clock_timestamp(), published_at = NULL
    WHERE f.file_id = fail_reload.file_id
$$;

-- Infrastructure failed during a load: the file is loaded again after a pause, which grows with the time it has waited.
-- With `counts`, the attempt is one of those after which the file fails. With a run request, the files of that request
-- that no worker has begun wait, too.
CREATE OR REPLACE FUNCTION shifts_store.retry_files(
    file_ids bigint[], error text, counts boolean, run_request_id text)
RETURNS void
LANGUAGE sql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
    SELECT set_config('shifts.transition', 'retry', true);
    UPDATE shifts_store.trip_files f
    SET status = 'queued', error = retry_files.error,
        attempts = CASE WHEN counts THEN f.attempts ELSE greatest(f.attempts - 1, 0) END,
        requested_at = clock_timestamp() + least(
            greatest((clock_timestamp() - f.queued_at) / 4, interval '1 second'),
            CASE WHEN counts THEN interval '5 minutes' ELSE interval '30 seconds' END)
    WHERE f.file_id = ANY (file_ids)
       OR f.kind = 'file' AND f.status = 'queued' AND f.run_request_id = retry_files.run_request_id
$$;

-- The file was written to while it was read: its record waits for the version that is there now.
CREATE OR REPLACE FUNCTION shifts_store.await_version(file_id bigint, version text, size_bytes bigint) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
    SELECT set_config('shifts.transition', 'await_version', true);
    UPDATE shifts_store.trip_files f
    SET status = 'queued', version = await_version.version, size_bytes = await_version.size_bytes,
        run_request_id = NULL, requested_at = clock_timestamp(), attempts = 0
    WHERE f.file_id = await_version.file_id
$$;

-- A newer version of the name replaces these versions. Requesters of versions that were still open receive an event;
-- the end of the others was published before.
CREATE OR REPLACE FUNCTION shifts_store.supersede_files(file_ids bigint[], error text, run_id text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
    SELECT set_config('shifts.transition', 'supersede', true);
    UPDATE shifts_store.trip_files f
    SET status = 'superseded', duplicate_of = NULL,
        error = CASE WHEN o.is_open THEN supersede_files.error ELSE f.error END,
        run_id = CASE WHEN o.is_open THEN coalesce(supersede_files.run_id, f.run_id) ELSE f.run_id END,
        finished_at = CASE WHEN o.is_open THEN clock_timestamp() ELSE f.finished_at END,
        published_at = CASE WHEN o.is_open THEN NULL ELSE coalesce(f.published_at, clock_timestamp()) END
    FROM (SELECT k.file_id, k.status IN ('queued', 'loading') AS is_open FROM shifts_store.trip_files k
          WHERE k.file_id = ANY (file_ids)) AS o
    WHERE f.file_id = o.file_id
$$;

-- Queues the copies of a file whose bytes have changed: they are copies no longer.
CREATE OR REPLACE FUNCTION shifts_store.requeue_duplicates(original bigint) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
    SELECT set_config('shifts.transition', 'requeue', true);
    UPDATE shifts_store.trip_files f
    SET status = 'queued', duplicate_of = NULL, run_request_id = NULL, requested_at = NULL, attempts = 0
    WHERE f.duplicate_of = original AND f.status = 'duplicate' AND NOT starts_with(f.version, 'request-')
$$;
