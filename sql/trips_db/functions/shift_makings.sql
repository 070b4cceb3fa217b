-- Makings of shifts: which regions are due for them, and the refreshes of regions that begin and end.

-- The advisory lock that a worker holds on the makings of a region.
CREATE OR REPLACE FUNCTION shifts_store.shift_lock(region_id integer) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT hashtextextended('shifts:' || region_id, 0) $$;

-- The advisory lock of parameters and stops, from which shifts follow besides trips: a worker must not record that makings
-- have seen what has just changed.
CREATE OR REPLACE FUNCTION shifts_store.shift_inputs_lock() RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT hashtextextended('shifts_store.shift_parameters', 0) $$;

-- Makes all makings stale if they are to have other parameters than before. Returns whether they are.
CREATE OR REPLACE FUNCTION shifts_store.set_shift_parameters(parameters text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    since timestamptz := clock_timestamp();
BEGIN
    IF EXISTS (SELECT FROM shifts_store.shift_parameters p WHERE p.parameters = set_shift_parameters.parameters) THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(shifts_store.shift_inputs_lock());
    DELETE FROM shifts_store.shift_parameters;
    INSERT INTO shifts_store.shift_parameters (parameters) VALUES (set_shift_parameters.parameters);
    UPDATE shifts_store.region_weeks w SET shifts_revision = 0, shifts_stale_since = since
    WHERE w.shifts_revision = w.revision;
    RETURN true;
END
$$;

-- Returns the stale pairs of regions whose shifts are due: they have waited for `min_age`, pause after no failure, and are
-- not blocked by a file. Regions whose aggregates or clusters are about to be refreshed wait, but not for longer than
-- `max_wait`: the next loads may change them again.
CREATE OR REPLACE FUNCTION shifts_store.due_shift_pairs(min_age interval, max_wait interval)
RETURNS TABLE (region_id integer, week date, stale_since timestamptz)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    RETURN QUERY
    WITH stale AS MATERIALIZED (
        SELECT w.region_id, w.week, w.shifts_stale_since,
               min(w.shifts_stale_since) OVER (PARTITION BY w.region_id) AS oldest
        FROM shifts_store.region_weeks w WHERE w.shifts_revision <> w.revision
    ), unsettled AS MATERIALIZED (
        SELECT DISTINCT s.region_id FROM shifts_store.region_weeks s
        WHERE (s.aggregates_revision <> s.revision OR s.clusters_revision <> s.revision)
          AND NOT EXISTS (SELECT FROM shifts_store.refresh_attempts a
                          WHERE a.region_id = s.region_id AND a.week = s.week AND a.attempts > 1)
    )
    SELECT s.region_id, s.week, s.shifts_stale_since FROM stale s
    WHERE s.oldest <= now() - min_age
      AND (s.oldest <= now() - max_wait OR s.region_id NOT IN (SELECT u.region_id FROM unsettled u))
      AND s.region_id NOT IN (SELECT a.region_id FROM shifts_store.shift_attempts a WHERE a.retry_at > now())
      AND s.region_id NOT IN (SELECT b.region_id FROM shifts_store.blocked_pairs b)
    ORDER BY s.shifts_stale_since, s.region_id, s.week;
END
$$;

-- Locks the makings of regions for this session and records that their refresh begins: if the worker dies, they pause as
-- after a failure. The first pause is doubled by each attempt since the last success. Returns the regions that are locked
-- and the number of the attempt. With `only_due`, regions that pause or that another worker holds are left out; else it
-- waits for that worker.
CREATE OR REPLACE FUNCTION shifts_store.begin_shifts(
    region_ids integer[], run_id text, only_due boolean, first_pause interval, longest_pause interval)
RETURNS TABLE (region_id integer, attempt integer)
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
#variable_conflict use_column
DECLARE
    one     integer;
    resumes timestamptz;
BEGIN
    FOR one IN SELECT u.id FROM unnest(region_ids) AS u (id) ORDER BY 1 LOOP
        IF NOT only_due THEN
            PERFORM pg_advisory_lock(shifts_store.shift_lock(one));
        ELSIF NOT pg_try_advisory_lock(shifts_store.shift_lock(one)) THEN
            CONTINUE;
        ELSIF EXISTS (SELECT FROM shifts_store.shift_attempts a WHERE a.region_id = one AND a.retry_at > now())
              OR NOT EXISTS (SELECT FROM shifts_store.region_weeks w
                             WHERE w.region_id = one AND w.shifts_revision <> w.revision) THEN
            PERFORM pg_advisory_unlock(shifts_store.shift_lock(one));
            CONTINUE;
        END IF;
        resumes := now() + shifts_store.refresh_pause(
            coalesce((SELECT a.attempts FROM shifts_store.shift_attempts a WHERE a.region_id = one), 0),
            first_pause, longest_pause);
        INSERT INTO shifts_store.shift_attempts AS a (region_id, attempts, run_id, started_at, retry_at, error)
        VALUES (one, 1, begin_shifts.run_id, now(), resumes, shifts_store.unfinished_refresh_error())
        ON CONFLICT (region_id) DO UPDATE
        SET attempts = a.attempts + 1, run_id = excluded.run_id, started_at = excluded.started_at,
            retry_at = excluded.retry_at, error = excluded.error
        RETURNING a.region_id, a.attempts INTO region_id, attempt;
        RETURN NEXT;
    END LOOP;
END
$$;

-- Unlocks regions and deletes their attempts.
CREATE OR REPLACE FUNCTION shifts_store.end_shifts(region_ids integer[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    DELETE FROM shifts_store.shift_attempts a WHERE a.region_id = ANY (end_shifts.region_ids);
    PERFORM pg_advisory_unlock(shifts_store.shift_lock(u.id)) FROM unnest(region_ids) AS u (id);
END
$$;

-- Unlocks a region and records why its refresh failed: its pause begins now, however long the refresh took.
CREATE OR REPLACE FUNCTION shifts_store.fail_shifts(region_id integer, error text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    pause interval := (SELECT a.retry_at - a.started_at FROM shifts_store.shift_attempts a
                       WHERE a.region_id = fail_shifts.region_id);
BEGIN
    UPDATE shifts_store.shift_attempts a SET error = fail_shifts.error, retry_at = now() + pause
    WHERE a.region_id = fail_shifts.region_id;
    PERFORM pg_advisory_unlock(shifts_store.shift_lock(fail_shifts.region_id));
END
$$;

-- Records that every making of some regions has seen these revisions of their pairs, unless makings are to have other
-- parameters or, by their hash, the region other stops by now.
CREATE OR REPLACE FUNCTION shifts_store.record_shifts(
    region_ids integer[], weeks date[], revisions bigint[], stops bytea[], parameters text)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    changed integer[];
BEGIN
    PERFORM pg_advisory_xact_lock_shared(shifts_store.shift_inputs_lock());
    IF EXISTS (SELECT FROM shifts_store.shift_parameters p WHERE p.parameters <> record_shifts.parameters) THEN
        RETURN;
    END IF;
    changed := ARRAY(
        SELECT DISTINCT u.region_id FROM unnest(region_ids, stops) AS u (region_id, hash)
        JOIN shifts_store.regions r ON r.region_id = u.region_id
        LEFT JOIN shifts_store.region_stops h ON h.region = r.name
        WHERE u.hash <> coalesce(h.hash, ''));
    UPDATE shifts_store.region_weeks w SET shifts_revision = u.revision
    FROM unnest(region_ids, weeks, revisions) AS u (region_id, week, revision)
    WHERE w.region_id = u.region_id AND w.week = u.week AND w.region_id <> ALL (changed);
END
$$;

-- Locks the pairs of the histories of makings against loads. Returns the regions from whose pairs no trip was deleted since
-- these deletion counts were read.
CREATE OR REPLACE FUNCTION shifts_store.lock_histories(region_ids integer[], weeks date[], deletion_counts bigint[])
RETURNS SETOF integer
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    pair    record;
    changed integer[] := '{}';
BEGIN
    -- In the order in which loads lock pairs. One pair a statement: Citus locks rows of one shard only.
    FOR pair IN
        SELECT u.region_id, u.week, u.deletion_count
        FROM unnest(region_ids, weeks, deletion_counts) AS u (region_id, week, deletion_count) ORDER BY 1, 2
    LOOP
        PERFORM FROM shifts_store.region_weeks w
        WHERE w.region_id = pair.region_id AND w.week = pair.week AND w.deletion_count = pair.deletion_count
        FOR SHARE;
        IF NOT FOUND THEN
            changed := changed || pair.region_id;
        END IF;
    END LOOP;
    RETURN QUERY SELECT DISTINCT u.id FROM unnest(region_ids) AS u (id) WHERE u.id <> ALL (changed);
END
$$;

-- Returns how many pairs of the histories of a week's makings are stale.
CREATE OR REPLACE FUNCTION shifts_store.stale_shift_pairs(week date) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    weeks integer := coalesce((SELECT max((p.parameters::jsonb ->> 'weeks')::integer)
                               FROM shifts_store.shift_parameters p), 1);
BEGIN
    RETURN (SELECT count(*) FROM shifts_store.region_weeks w
            WHERE w.shifts_revision <> w.revision
              AND w.week <= stale_shift_pairs.week AND w.week > stale_shift_pairs.week - 7 * weeks);
END
$$;
