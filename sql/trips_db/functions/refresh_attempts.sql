-- Refreshes of (region, week) pairs that began and did not succeed. A pair pauses after each, longer each time.

-- The error of a refresh that has begun and not ended: it stays if the worker dies.
CREATE OR REPLACE FUNCTION shifts_store.unfinished_refresh_error() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT 'its run ended without a message' $$;

-- Records that a refresh begins. The first pause is doubled by each attempt since the last success.
CREATE OR REPLACE FUNCTION shifts_store.begin_refresh(
    region text, week date, derived_table text, run_id text, first_pause interval, longest_pause interval)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
#variable_conflict use_column
DECLARE
    id integer := (SELECT r.region_id FROM shifts_store.regions r WHERE r.name = begin_refresh.region);
BEGIN
    IF id IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO shifts_store.refresh_attempts AS a
        (region_id, week, derived_table, attempts, run_id, started_at, retry_at, error)
    VALUES (id, begin_refresh.week, begin_refresh.derived_table, 1, begin_refresh.run_id, now(),
            now() + begin_refresh.first_pause, shifts_store.unfinished_refresh_error())
    ON CONFLICT (region_id, week, derived_table) DO UPDATE
    SET attempts = a.attempts + 1, run_id = excluded.run_id, started_at = excluded.started_at,
        retry_at = excluded.started_at + least(
            (excluded.retry_at - excluded.started_at) * 2 ^ least(a.attempts, 20), begin_refresh.longest_pause),
        error = excluded.error;
END
$$;

-- Records why a refresh failed. The pause begins now, however long the refresh took.
CREATE OR REPLACE FUNCTION shifts_store.fail_refresh(region text, week date, derived_table text, error text)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    id integer := (SELECT r.region_id FROM shifts_store.regions r WHERE r.name = fail_refresh.region);
BEGIN
    UPDATE shifts_store.refresh_attempts a
    SET error = fail_refresh.error, retry_at = now() + (a.retry_at - a.started_at)
    WHERE a.region_id = id AND a.week = fail_refresh.week AND a.derived_table = fail_refresh.derived_table;
END
$$;

-- A refresh succeeded: deletes the record of the failures before it.
CREATE OR REPLACE FUNCTION shifts_store.end_refresh(region text, week date, derived_table text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    id integer := (SELECT r.region_id FROM shifts_store.regions r WHERE r.name = end_refresh.region);
BEGIN
    DELETE FROM shifts_store.refresh_attempts a
    WHERE a.region_id = id AND a.week = end_refresh.week AND a.derived_table = end_refresh.derived_table;
END
$$;
