-- Notes that pairs changed. Pairs are locked in one order, so that parallel loads cannot deadlock.
CREATE OR REPLACE FUNCTION shifts_store.touch_weeks(region_ids integer[], weeks date[], removed boolean)
RETURNS void
LANGUAGE sql AS $$
    INSERT INTO shifts_store.region_weeks AS w (region_id, week, change_id, changed_at, stale_since, removals)
    SELECT region_id, week, nextval('shifts_store.changes'), clock_timestamp(), clock_timestamp(), removed::integer
    FROM (SELECT DISTINCT region_id, week FROM unnest(region_ids, weeks) AS u (region_id, week)
          ORDER BY region_id, week) AS pairs
    ON CONFLICT (region_id, week) DO UPDATE
    SET change_id = nextval('shifts_store.changes'),
        changed_at = excluded.changed_at,
        stale_since = CASE WHEN least(w.aggregates_change_id, w.clusters_change_id) = w.change_id
                           THEN excluded.changed_at ELSE w.stale_since END,
        removals = w.removals + removed::integer;
    SELECT pg_notify('shifts_weeks', '')
$$;

-- Books a file's trips under their pairs: the last thing a load does before its commit.
CREATE OR REPLACE FUNCTION shifts_store.book_file(
    file_id bigint, region_ids integer[], weeks date[], trips bigint[], first_at timestamp[], last_at timestamp[])
RETURNS void
LANGUAGE sql AS $$
    INSERT INTO shifts_store.week_files (region_id, week, file_id, trips, first_at, last_at)
    SELECT region_id, week, book_file.file_id, u.trips, u.first_at, u.last_at
    FROM unnest(region_ids, weeks, trips, first_at, last_at) AS u (region_id, week, trips, first_at, last_at);
    SELECT shifts_store.touch_weeks(region_ids, weeks, false)
$$;

-- Takes a file's trips and rejects away again (it is being replaced). What was computed with them no longer
-- holds: the tiles of those pairs go too, and every other file counts as not aggregated.
CREATE OR REPLACE FUNCTION shifts_store.unbook_file(gone bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    region_ids integer[];
    weeks      date[];
    one_week   date;
    version    bigint;
BEGIN
    SELECT array_agg(f.region_id ORDER BY f.region_id, f.week), array_agg(f.week ORDER BY f.region_id, f.week)
    INTO region_ids, weeks
    FROM shifts_store.week_files f WHERE f.file_id = gone;
    DELETE FROM shifts_store.rejected_rows r WHERE r.file_id = gone;
    IF region_ids IS NULL THEN
        RETURN;
    END IF;
    PERFORM shifts_store.touch_weeks(region_ids, weeks, true);
    -- Drawn when the pairs are locked, so that it is higher than any before.
    version := nextval('shifts_store.changes');
    FOR one_week IN SELECT DISTINCT w FROM unnest(weeks) AS w ORDER BY w LOOP
        DELETE FROM shifts_store.trips t
        WHERE t.started_at >= one_week AND t.started_at < one_week + 7 AND t.file_id = gone;
    END LOOP;
    DELETE FROM shifts_store.week_files f WHERE f.file_id = gone;
    DELETE FROM shifts_store.weekly_trip_tiles t
    USING unnest(region_ids, weeks) AS u (region_id, week)
    WHERE t.region_id = u.region_id AND t.week = u.week;
    UPDATE shifts_store.region_weeks w SET tiles_version = version
    FROM unnest(region_ids, weeks) AS u (region_id, week)
    WHERE w.region_id = u.region_id AND w.week = u.week;
    UPDATE shifts_store.week_files f SET aggregated = false
    FROM unnest(region_ids, weeks) AS u (region_id, week)
    WHERE f.region_id = u.region_id AND f.week = u.week AND f.aggregated;
END
$$;
