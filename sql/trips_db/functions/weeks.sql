-- Notes that pairs changed. Pairs are locked in one order, so that parallel loads cannot deadlock.
CREATE OR REPLACE FUNCTION shifts_store.mark_stale(region_ids integer[], weeks date[], deleted boolean)
RETURNS void
LANGUAGE sql AS $$
    INSERT INTO shifts_store.region_weeks AS w (region_id, week, revision, changed_at, stale_since, deletion_count)
    SELECT region_id, week, nextval('shifts_store.revisions'), clock_timestamp(), clock_timestamp(), deleted::integer
    FROM (SELECT DISTINCT region_id, week FROM unnest(region_ids, weeks) AS u (region_id, week)
          ORDER BY region_id, week) AS pairs
    ON CONFLICT (region_id, week) DO UPDATE
    SET revision = nextval('shifts_store.revisions'),
        changed_at = excluded.changed_at,
        stale_since = CASE WHEN least(w.aggregates_revision, w.clusters_revision) = w.revision
                           THEN excluded.changed_at ELSE w.stale_since END,
        deletion_count = w.deletion_count + deleted::integer;
    SELECT pg_notify('shifts_weeks', '')
$$;

-- Books a file's trips under their pairs: the last thing a load does before its commit.
CREATE OR REPLACE FUNCTION shifts_store.record_file(
    file_id bigint, region_ids integer[], weeks date[], trips bigint[], first_at timestamp[], last_at timestamp[])
RETURNS void
LANGUAGE sql AS $$
    INSERT INTO shifts_store.file_week_counts (region_id, week, file_id, trips, first_at, last_at)
    SELECT region_id, week, record_file.file_id, u.trips, u.first_at, u.last_at
    FROM unnest(region_ids, weeks, trips, first_at, last_at) AS u (region_id, week, trips, first_at, last_at);
    SELECT shifts_store.mark_stale(region_ids, weeks, false)
$$;

-- Deletes a file's trips and rejects. However long that takes, no pair is locked: it comes before `replace_files`.
CREATE OR REPLACE FUNCTION shifts_store.delete_rows(gone bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    one_week date;
BEGIN
    DELETE FROM shifts_store.rejected_rows r WHERE r.file_id = gone;
    FOR one_week IN SELECT DISTINCT f.week FROM shifts_store.file_week_counts f WHERE f.file_id = gone ORDER BY f.week LOOP
        DELETE FROM shifts_store.trips t
        WHERE t.started_at >= one_week AND t.started_at < one_week + 7 AND t.file_id = gone;
    END LOOP;
END
$$;

-- Removes a file, whose rows are deleted, from the books. What was computed with them no longer holds: the tiles
-- of those pairs go too, and every other file counts as not aggregated.
CREATE OR REPLACE FUNCTION shifts_store.remove_file(gone bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    region_ids integer[];
    weeks      date[];
    version    bigint;
BEGIN
    SELECT array_agg(f.region_id ORDER BY f.region_id, f.week), array_agg(f.week ORDER BY f.region_id, f.week)
    INTO region_ids, weeks
    FROM shifts_store.file_week_counts f WHERE f.file_id = gone;
    IF region_ids IS NULL THEN
        RETURN;
    END IF;
    PERFORM shifts_store.mark_stale(region_ids, weeks, true);
    -- Drawn when the pairs are locked, so that it is higher than any before.
    version := nextval('shifts_store.revisions');
    DELETE FROM shifts_store.file_week_counts f WHERE f.file_id = gone;
    DELETE FROM shifts_store.weekly_trip_tiles t
    USING unnest(region_ids, weeks) AS u (region_id, week)
    WHERE t.region_id = u.region_id AND t.week = u.week;
    UPDATE shifts_store.region_weeks w SET tiles_revision = version
    FROM unnest(region_ids, weeks) AS u (region_id, week)
    WHERE w.region_id = u.region_id AND w.week = u.week;
    UPDATE shifts_store.file_week_counts f SET aggregated = false
    FROM unnest(region_ids, weeks) AS u (region_id, week)
    WHERE f.region_id = u.region_id AND f.week = u.week AND f.aggregated;
END
$$;

-- Books a file in the place of others, whose rows are deleted. It locks the pairs, so it is the last statement before
-- the commit: posts to the same pairs wait no longer than it takes. All pairs are locked in one order first, or two
-- loads that exchange their weeks would wait for each other.
CREATE OR REPLACE FUNCTION shifts_store.replace_files(
    gone bigint[], file_id bigint, region_ids integer[], weeks date[], trips bigint[],
    first_at timestamp[], last_at timestamp[])
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    all_regions integer[];
    all_weeks   date[];
    old         bigint;
BEGIN
    IF cardinality(gone) > 0 THEN
        SELECT array_agg(p.region_id), array_agg(p.week) INTO all_regions, all_weeks
        FROM (SELECT f.region_id, f.week FROM shifts_store.file_week_counts f WHERE f.file_id = ANY (gone)
              UNION SELECT u.region_id, u.week
              FROM unnest(replace_files.region_ids, replace_files.weeks) AS u (region_id, week)) AS p;
        PERFORM shifts_store.mark_stale(all_regions, all_weeks, false);
    END IF;
    FOREACH old IN ARRAY gone LOOP
        PERFORM shifts_store.remove_file(old);
    END LOOP;
    IF cardinality(region_ids) > 0 THEN
        PERFORM shifts_store.record_file(replace_files.file_id, replace_files.region_ids, replace_files.weeks,
                                       replace_files.trips, replace_files.first_at, replace_files.last_at);
    END IF;
END
$$;
