-- Whoever waits for work hears of it at the commit that makes it.
CREATE OR REPLACE FUNCTION shifts_store.notify_files() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    PERFORM pg_notify('shifts_files', '');
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER trip_files_queued AFTER INSERT ON shifts_store.trip_files
    FOR EACH STATEMENT EXECUTE FUNCTION shifts_store.notify_files();

-- Gives the rows of a loaded file to a copy of it under another name: the two exchange everything that goes with the
-- name, while rows, counts and the other copies stay where they are. The loaded one's old version is superseded.
CREATE OR REPLACE FUNCTION shifts_store.promote_duplicate(loaded bigint, copy bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    old shifts_store.trip_files;
    new shifts_store.trip_files;
BEGIN
    SELECT * INTO STRICT old FROM shifts_store.trip_files f WHERE f.file_id = loaded;
    SELECT * INTO STRICT new FROM shifts_store.trip_files f WHERE f.file_id = copy;
    -- Versions and task ids are unique at every moment.
    UPDATE shifts_store.trip_files f
    SET version = format('handed-over-%s', copy), task_id = format('handed-over-%s', copy)
    WHERE f.file_id = copy;
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
    WHERE f.file_id = copy;
    UPDATE shifts_store.idempotency_keys k SET file_id = CASE k.file_id WHEN loaded THEN copy ELSE loaded END
    WHERE k.file_id IN (loaded, copy);
END
$$;
