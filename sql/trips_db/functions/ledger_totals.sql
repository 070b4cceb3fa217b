-- Totals of the ledger, maintained by triggers: the cost of reading them does not grow with the ledger.

CREATE OR REPLACE FUNCTION shifts_store.count_files() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO shifts_store.ledger_changes (status, files, rows_loaded, rows_rejected)
        SELECT n.status, count(*), sum(n.rows_loaded), sum(n.rows_rejected) FROM new_files n GROUP BY n.status;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO shifts_store.ledger_changes (status, files, rows_loaded, rows_rejected)
        SELECT o.status, -count(*), -sum(o.rows_loaded), -sum(o.rows_rejected) FROM old_files o GROUP BY o.status;
    ELSE
        INSERT INTO shifts_store.ledger_changes (status, files, rows_loaded, rows_rejected)
        SELECT c.status, sum(c.files), sum(c.rows_loaded), sum(c.rows_rejected)
        FROM (SELECT n.status, 1 AS files, n.rows_loaded, n.rows_rejected FROM new_files n
              UNION ALL
              SELECT o.status, -1, -o.rows_loaded, -o.rows_rejected FROM old_files o) AS c
        GROUP BY c.status
        HAVING sum(c.files) <> 0 OR sum(c.rows_loaded) <> 0 OR sum(c.rows_rejected) <> 0;
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER trip_files_inserted AFTER INSERT ON shifts_store.trip_files
    REFERENCING NEW TABLE AS new_files
    FOR EACH STATEMENT EXECUTE FUNCTION shifts_store.count_files();
CREATE OR REPLACE TRIGGER trip_files_updated AFTER UPDATE ON shifts_store.trip_files
    REFERENCING OLD TABLE AS old_files NEW TABLE AS new_files
    FOR EACH STATEMENT EXECUTE FUNCTION shifts_store.count_files();
CREATE OR REPLACE TRIGGER trip_files_deleted AFTER DELETE ON shifts_store.trip_files
    REFERENCING OLD TABLE AS old_files
    FOR EACH STATEMENT EXECUTE FUNCTION shifts_store.count_files();

-- Returns files and rows by status. A reader that finds many changes replaces them by their sums, one reader at a time;
-- uncommitted changes stay. Needs READ COMMITTED.
CREATE OR REPLACE FUNCTION shifts_store.ledger_totals()
RETURNS TABLE (status text, files bigint, rows_loaded bigint, rows_rejected bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    IF (SELECT count(*) FROM (SELECT FROM shifts_store.ledger_changes LIMIT 1000) AS many) = 1000
       AND pg_try_advisory_xact_lock(hashtext('shifts_store.ledger_totals')) THEN
        WITH merged AS (DELETE FROM shifts_store.ledger_changes c RETURNING c.*)
        INSERT INTO shifts_store.ledger_changes (status, files, rows_loaded, rows_rejected)
        SELECT m.status, sum(m.files), sum(m.rows_loaded), sum(m.rows_rejected) FROM merged m GROUP BY m.status;
    END IF;
    RETURN QUERY
        SELECT c.status, sum(c.files)::bigint, sum(c.rows_loaded)::bigint, sum(c.rows_rejected)::bigint
        FROM shifts_store.ledger_changes c GROUP BY c.status HAVING sum(c.files) > 0;
END
$$;
