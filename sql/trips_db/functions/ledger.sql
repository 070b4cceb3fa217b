-- Notifies the sensor `queued_files` when new versions of files are committed.
CREATE OR REPLACE FUNCTION shifts_store.notify_files() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    PERFORM pg_notify('shifts_files', '');
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER trip_files_queued AFTER INSERT ON shifts_store.trip_files
    FOR EACH STATEMENT EXECUTE FUNCTION shifts_store.notify_files();
