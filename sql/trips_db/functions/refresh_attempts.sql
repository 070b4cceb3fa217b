-- Refreshes of (region, week) pairs: a worker locks a pair, so that several share a week, and records that it begins. The
-- record stays if the refresh fails or the worker dies. Then the pair pauses, longer each time.

-- The error of a refresh that has begun and not ended: it stays if the worker dies.
CREATE OR REPLACE FUNCTION shifts_store.unfinished_refresh_error() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT 'its run ended without a message' $$;

-- The advisory lock that a worker holds on a pair.
CREATE OR REPLACE FUNCTION shifts_store.pair_lock(region_id integer, week date) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT hashtextextended('pair:' || region_id || ':' || (week - date '2000-01-03'), 0) $$;

-- Returns the pairs of a week in which a derived table is stale and not paused after a failure, largest first. Pairs that
-- a file blocks are omitted.
CREATE OR REPLACE FUNCTION shifts_store.due_pairs(week date, min_age interval)
RETURNS TABLE (region_id integer, region text, trips bigint, due_tables text[])
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    RETURN QUERY
    WITH stale AS (
        SELECT s.region_id, s.region, d.derived_table
        FROM shifts_store.stale_weeks s,
             LATERAL (VALUES ('aggregates', s.aggregates_stale), ('clusters', s.clusters_stale)) AS d (derived_table, is_stale)
        WHERE s.week = due_pairs.week AND d.is_stale AND s.stale_since <= now() - min_age
          AND NOT EXISTS (SELECT FROM shifts_store.blocked_pairs b
                          WHERE b.region_id = s.region_id AND b.week = due_pairs.week)
    ), paused AS (
        SELECT a.region_id, a.derived_table FROM shifts_store.refresh_attempts a
        WHERE a.week = due_pairs.week AND a.retry_at > now()
    ), due AS (
        SELECT s.region_id, s.region, array_agg(s.derived_table ORDER BY s.derived_table) AS due_tables
        FROM stale s LEFT JOIN paused p ON p.region_id = s.region_id AND p.derived_table = s.derived_table
        WHERE p.region_id IS NULL
        GROUP BY s.region_id, s.region
    ), counts AS (
        SELECT c.region_id, sum(c.trips)::bigint AS trips FROM shifts_store.file_week_counts c
        WHERE c.week = due_pairs.week GROUP BY c.region_id
    )
    SELECT d.region_id, d.region, coalesce(c.trips, 0), d.due_tables
    FROM due d LEFT JOIN counts c ON c.region_id = d.region_id
    ORDER BY 3 DESC, 1;
END
$$;

-- How long a pair or a region pauses after an attempt that fails: doubled by each attempt since the last success.
CREATE OR REPLACE FUNCTION shifts_store.refresh_pause(attempts integer, first_pause interval, longest_pause interval)
RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN attempts = 0 THEN first_pause
                ELSE least(first_pause * 2 ^ least(attempts, 20), longest_pause) END
$$;

-- Locks a pair for this session and records that the refresh of some of its derived tables begins. The first pause is
-- doubled by each attempt since the last success. Returns the tables; none, and no lock, if another worker holds the pair,
-- or if `only_due` and they are fresh, paused or blocked by now.
CREATE OR REPLACE FUNCTION shifts_store.begin_refresh(
    region_id integer, week date, tables text[], run_id text, only_due boolean, first_pause interval, longest_pause interval)
RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
#variable_conflict use_column
DECLARE
    pair     shifts_store.region_weeks;
    begun    text[] := '{}';
    one      text;
    before   integer;
    resumes  timestamptz;
BEGIN
    IF only_due THEN
        IF NOT pg_try_advisory_lock(shifts_store.pair_lock(begin_refresh.region_id, begin_refresh.week)) THEN
            RETURN begun;
        END IF;
    ELSE
        PERFORM pg_advisory_lock(shifts_store.pair_lock(begin_refresh.region_id, begin_refresh.week));
    END IF;
    SELECT w.* INTO pair FROM shifts_store.region_weeks w
    WHERE w.region_id = begin_refresh.region_id AND w.week = begin_refresh.week;
    FOREACH one IN ARRAY tables LOOP
        CONTINUE WHEN pair IS NULL;
        CONTINUE WHEN only_due AND (
            pair.revision = CASE one WHEN 'aggregates' THEN pair.aggregates_revision ELSE pair.clusters_revision END
            OR EXISTS (SELECT FROM shifts_store.refresh_attempts a
                       WHERE a.region_id = begin_refresh.region_id AND a.week = begin_refresh.week
                         AND a.derived_table = one AND a.retry_at > now())
            OR EXISTS (SELECT FROM shifts_store.blocked_pairs b
                       WHERE b.region_id = begin_refresh.region_id AND b.week = begin_refresh.week));
        -- Computed before, because Citus evaluates no function of a column while it writes. The lock keeps others out.
        before := coalesce((SELECT a.attempts FROM shifts_store.refresh_attempts a
                            WHERE a.region_id = begin_refresh.region_id AND a.week = begin_refresh.week
                              AND a.derived_table = one), 0);
        resumes := now() + shifts_store.refresh_pause(before, first_pause, longest_pause);
        INSERT INTO shifts_store.refresh_attempts AS a
            (region_id, week, derived_table, attempts, run_id, started_at, retry_at, error)
        VALUES (begin_refresh.region_id, begin_refresh.week, one, 1, begin_refresh.run_id, now(), resumes,
                shifts_store.unfinished_refresh_error())
        ON CONFLICT (region_id, week, derived_table) DO UPDATE
        SET attempts = a.attempts + 1, run_id = excluded.run_id, started_at = excluded.started_at,
            retry_at = excluded.retry_at, error = excluded.error;
        begun := begun || one;
    END LOOP;
    IF begun = '{}' THEN
        PERFORM pg_advisory_unlock(shifts_store.pair_lock(begin_refresh.region_id, begin_refresh.week));
    END IF;
    RETURN begun;
END
$$;

-- Unlocks a pair. Deletes the attempts at tables that succeeded, and records why the others failed: their pause begins now,
-- however long the refresh took.
CREATE OR REPLACE FUNCTION shifts_store.end_refresh(
    region_id integer, week date, succeeded text[], failed text[], error text)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    one record;
BEGIN
    DELETE FROM shifts_store.refresh_attempts a
    WHERE a.region_id = end_refresh.region_id AND a.week = end_refresh.week AND a.derived_table = ANY (succeeded);
    FOR one IN
        SELECT a.derived_table, a.retry_at - a.started_at AS pause FROM shifts_store.refresh_attempts a
        WHERE a.region_id = end_refresh.region_id AND a.week = end_refresh.week AND a.derived_table = ANY (failed)
    LOOP
        UPDATE shifts_store.refresh_attempts a SET error = end_refresh.error, retry_at = now() + one.pause
        WHERE a.region_id = end_refresh.region_id AND a.week = end_refresh.week
          AND a.derived_table = one.derived_table;
    END LOOP;
    PERFORM pg_advisory_unlock(shifts_store.pair_lock(end_refresh.region_id, end_refresh.week));
END
$$;
