-- Refreshes of many (region, week) pairs of a week at a time: what refresh_attempts.sql does for one pair.

-- Begins a refresh of a derived table for those pairs of a week that can share a batch. A pair whose last refresh failed
-- or died is not one of them: it would take the others with it again. Returns the pairs that began, and are locked, and
-- those that must be refreshed on their own. The others are fresh or paused by now, or another worker holds them.
CREATE OR REPLACE FUNCTION shifts_store.begin_refreshes(
    region_ids integer[], week date, derived_table text, run_id text, only_due boolean, first_pause interval,
    longest_pause interval)
RETURNS TABLE (region_id integer, has_begun boolean)
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
#variable_conflict use_column
DECLARE
    pair bigint;
BEGIN
    FOREACH region_id IN ARRAY region_ids LOOP
        pair := shifts_store.pair_lock(region_id, begin_refreshes.week);
        IF NOT pg_try_advisory_lock(pair) THEN
            has_begun := false;
            -- A refresh of a single pair waits for the other worker.
            IF NOT only_due THEN
                RETURN NEXT;
            END IF;
            CONTINUE;
        END IF;
        IF EXISTS (SELECT FROM shifts_store.refresh_attempts a
                   WHERE a.region_id = begin_refreshes.region_id AND a.week = begin_refreshes.week
                     AND a.derived_table = begin_refreshes.derived_table) THEN
            has_begun := false;
            RETURN NEXT;
        ELSIF shifts_store.begin_refresh(
                region_id, begin_refreshes.week, ARRAY[begin_refreshes.derived_table], begin_refreshes.run_id, only_due,
                first_pause, longest_pause) <> '{}' THEN
            has_begun := true;
            RETURN NEXT;
        END IF;
        -- The refresh that began holds the lock a second time.
        PERFORM pg_advisory_unlock(pair);
    END LOOP;
END
$$;

-- Unlocks pairs and deletes their attempts at a derived table.
CREATE OR REPLACE FUNCTION shifts_store.end_refreshes(region_ids integer[], week date, derived_table text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    DELETE FROM shifts_store.refresh_attempts a
    WHERE a.region_id = ANY (end_refreshes.region_ids) AND a.week = end_refreshes.week
      AND a.derived_table = end_refreshes.derived_table;
    PERFORM pg_advisory_unlock(shifts_store.pair_lock(u.region_id, end_refreshes.week))
    FROM unnest(end_refreshes.region_ids) AS u (region_id);
END
$$;

-- Locks the rows of those pairs of a week from which no trip was deleted since these deletion counts were read, and
-- returns their regions. Loads lock pairs in the same order, so they cannot deadlock.
CREATE OR REPLACE FUNCTION shifts_store.lock_without_deletions(region_ids integer[], week date, deletion_counts bigint[])
RETURNS SETOF integer
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    one   integer;
    known bigint;
BEGIN
    FOR one, known IN
        SELECT u.region_id, u.deletion_count
        FROM unnest(region_ids, deletion_counts) AS u (region_id, deletion_count) ORDER BY 1
    LOOP
        -- One pair a statement: Citus locks rows of one shard only.
        PERFORM FROM shifts_store.region_weeks w
        WHERE w.region_id = one AND w.week = lock_without_deletions.week AND w.deletion_count = known
        FOR UPDATE;
        IF FOUND THEN
            RETURN NEXT one;
        END IF;
    END LOOP;
END
$$;
