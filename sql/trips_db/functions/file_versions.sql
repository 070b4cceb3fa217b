-- How a load ends: what the versions of one name, and files of the same bytes under other names, do to each other.
-- The newest good version of a name counts, and the same bytes count once. docs/loading.md lists every case.

-- Locks the loaded version of a name, and the original of its new version, against other workers. All are locked in one
-- order, so that two names that exchange their bytes cannot deadlock. Returns whether the original is still loaded; true
-- without one.
CREATE OR REPLACE FUNCTION shifts_store.lock_versions(file_name text, original bigint) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    locked record;
    found_original boolean := original IS NULL;
BEGIN
    FOR locked IN
        SELECT f.file_id, f.status FROM shifts_store.trip_files f
        WHERE f.kind = 'file' AND (f.name = file_name AND f.status = 'loaded' OR f.file_id = original)
        ORDER BY f.file_id FOR UPDATE
    LOOP
        found_original := found_original OR locked.file_id = original AND locked.status = 'loaded';
    END LOOP;
    RETURN found_original;
END
$$;

-- Gives the rows of a loaded file to a duplicate of it under another name: the two records exchange everything that
-- belongs to the name; rows, counts and the other duplicates stay. The loaded record's old version is superseded.
CREATE OR REPLACE FUNCTION shifts_store.promote_duplicate(loaded bigint, duplicate bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    old shifts_store.trip_files;
    new shifts_store.trip_files;
BEGIN
    PERFORM set_config('shifts.transition', 'promote_duplicate', true);
    SELECT * INTO STRICT old FROM shifts_store.trip_files f WHERE f.file_id = loaded;
    SELECT * INTO STRICT new FROM shifts_store.trip_files f WHERE f.file_id = duplicate;
    -- Versions and task ids are unique at every moment.
    UPDATE shifts_store.trip_files f
    SET version = format('promoted-%s', duplicate), task_id = format('promoted-%s', duplicate)
    WHERE f.file_id = duplicate;
    UPDATE shifts_store.trip_files f
    SET (uri, name, version, task_id, run_request_id, requested_at, attempts, run_id, queued_at, started_at,
         finished_at, published_at)
      = (new.uri, new.name, new.version, new.task_id, new.run_request_id, new.requested_at, new.attempts, new.run_id,
         new.queued_at, new.started_at, new.finished_at, new.published_at)
    WHERE f.file_id = loaded;
    UPDATE shifts_store.trip_files f
    SET (uri, name, version, task_id, run_request_id, requested_at, attempts, run_id, queued_at, started_at,
         finished_at, published_at)
      = (old.uri, old.name, old.version, old.task_id, old.run_request_id, old.requested_at, old.attempts, old.run_id,
         old.queued_at, old.started_at, old.finished_at, coalesce(old.published_at, clock_timestamp())),
        status = 'superseded', duplicate_of = NULL
    WHERE f.file_id = duplicate;
    UPDATE shifts_store.idempotency_keys k SET file_id = CASE k.file_id WHEN loaded THEN duplicate ELSE loaded END
    WHERE k.file_id IN (loaded, duplicate);
END
$$;

-- Gives the rows of a loaded file to a duplicate under another name, even if the file of that one has left the landing zone.
-- Returns false if there is none.
CREATE OR REPLACE FUNCTION shifts_store.give_to_duplicate(loaded bigint, file_name text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    duplicate bigint;
BEGIN
    SELECT f.file_id INTO duplicate FROM shifts_store.trip_files f
    WHERE f.duplicate_of = loaded AND f.status = 'duplicate' AND f.name <> file_name
      AND NOT starts_with(f.version, 'request-')
    ORDER BY f.file_id LIMIT 1 FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM shifts_store.promote_duplicate(loaded, duplicate);
    RETURN true;
END
$$;

-- Supersedes the settled versions of a name but `kept`; rows that a duplicate under another name needs are given to it.
-- Open versions are settled after the load. Returns the files whose rows and counts must be removed.
CREATE OR REPLACE FUNCTION shifts_store.supersede_versions(file_name text, kept bigint[]) RETURNS bigint[]
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    old  bigint;
    gone bigint[] := '{}';
BEGIN
    FOR old IN
        SELECT f.file_id FROM shifts_store.trip_files f
        WHERE f.kind = 'file' AND f.name = file_name AND f.status = 'loaded' AND f.file_id <> ALL (kept)
        ORDER BY f.file_id DESC
    LOOP
        IF NOT shifts_store.give_to_duplicate(old, file_name) THEN
            gone := gone || old;
        END IF;
    END LOOP;
    PERFORM shifts_store.supersede_files(
        ARRAY(SELECT f.file_id FROM shifts_store.trip_files f
              WHERE f.kind = 'file' AND f.name = file_name AND f.status IN ('loaded', 'duplicate', 'failed')
                AND f.file_id <> ALL (kept)), NULL, NULL);
    RETURN gone;
END
$$;

-- Begins the end of a load, whose rows are written: older versions of its name are superseded. Returns the files whose rows
-- the caller must delete before `finish_load`; null, with nothing changed, if a file of the same bytes is loaded already. Raises
-- SH410 if the bytes have been deleted.
CREATE OR REPLACE FUNCTION shifts_store.supersede_loaded(file_id bigint, content_hash text) RETURNS bigint[]
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    file shifts_store.trip_files;
BEGIN
    SELECT * INTO STRICT file FROM shifts_store.trip_files f WHERE f.file_id = supersede_loaded.file_id;
    PERFORM shifts_store.lock_versions(file.name, NULL);
    IF EXISTS (SELECT FROM shifts_store.trip_files f
               WHERE f.kind = 'file' AND f.status = 'loaded' AND f.content_hash = supersede_loaded.content_hash
                 AND f.file_id <> supersede_loaded.file_id) THEN
        RETURN NULL;
    END IF;
    IF shifts_store.refusal(supersede_loaded.content_hash) IS NOT NULL THEN
        RAISE EXCEPTION '%', shifts_store.refusal(supersede_loaded.content_hash) USING ERRCODE = 'SH410';
    END IF;
    IF file.status = 'loaded' AND file.content_hash <> supersede_loaded.content_hash THEN
        PERFORM shifts_store.requeue_duplicates(file.file_id);
    END IF;
    RETURN shifts_store.supersede_versions(file.name, ARRAY[file.file_id]);
END
$$;

-- Ends a load: its rows are written and become the ones that count, in the place of those of the files `gone`, whose rows
-- are deleted. The caller of a file that is loaded again has deleted the rows of before, too.
CREATE OR REPLACE FUNCTION shifts_store.finish_load(
    file_id bigint, content_hash text, rows_loaded bigint, rows_rejected bigint, gone bigint[],
    region_ids integer[], weeks date[], trips bigint[], first_at timestamp[], last_at timestamp[],
    segment_region_ids integer[], segment_weeks date[], segments bigint[], segment_file_ids bigint[],
    segment_trips bigint[])
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    status text := (SELECT f.status FROM shifts_store.trip_files f WHERE f.file_id = finish_load.file_id);
BEGIN
    PERFORM shifts_store.finish_file(
        finish_load.file_id, finish_load.content_hash, finish_load.rows_loaded, finish_load.rows_rejected);
    PERFORM shifts_store.replace_files(
        CASE status WHEN 'loaded' THEN gone || finish_load.file_id ELSE gone END,
        finish_load.file_id, finish_load.region_ids, finish_load.weeks, finish_load.trips, finish_load.first_at,
        finish_load.last_at, finish_load.segment_region_ids, finish_load.segment_weeks, finish_load.segments,
        finish_load.segment_file_ids, finish_load.segment_trips);
END
$$;

-- Begins the end of a load whose bytes are those of a loaded file, the original: older versions of its name are superseded.
-- Returns the original, and the files whose rows the caller must delete before `finish_duplicate`; a null original, with
-- nothing changed, if no other file of these bytes is loaded, or no longer.
CREATE OR REPLACE FUNCTION shifts_store.supersede_by_duplicate(
    file_id bigint, content_hash text, OUT original bigint, OUT gone bigint[])
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    file shifts_store.trip_files;
BEGIN
    SELECT * INTO STRICT file FROM shifts_store.trip_files f WHERE f.file_id = supersede_by_duplicate.file_id;
    SELECT f.file_id INTO original FROM shifts_store.trip_files f
    WHERE f.kind = 'file' AND f.status = 'loaded' AND f.content_hash = supersede_by_duplicate.content_hash
      AND f.file_id <> supersede_by_duplicate.file_id;
    IF NOT FOUND OR NOT shifts_store.lock_versions(file.name, original) THEN
        original := NULL;
        RETURN;
    END IF;
    gone := shifts_store.supersede_versions(file.name, ARRAY[file.file_id, original]);
    IF file.status = 'loaded' THEN
        PERFORM shifts_store.requeue_duplicates(file.file_id);
        gone := gone || file.file_id;
    END IF;
END
$$;

-- Ends a load whose bytes are those of the original: nothing is added. The rows of the files `gone` are deleted; segments
-- subtract them.
CREATE OR REPLACE FUNCTION shifts_store.finish_duplicate(
    file_id bigint, original bigint, content_hash text, gone bigint[],
    segment_region_ids integer[], segment_weeks date[], segments bigint[], segment_file_ids bigint[],
    segment_trips bigint[])
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    PERFORM shifts_store.mark_duplicates(
        ARRAY[finish_duplicate.file_id], original, finish_duplicate.content_hash, NULL);
    PERFORM shifts_store.replace_files(
        gone, finish_duplicate.file_id, '{}', '{}', '{}', '{}', '{}', finish_duplicate.segment_region_ids,
        finish_duplicate.segment_weeks, finish_duplicate.segments, finish_duplicate.segment_file_ids,
        finish_duplicate.segment_trips);
END
$$;
