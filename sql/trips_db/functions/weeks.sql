-- The counts of trips by file, region and week, what a change of them makes stale, and which of them tiles contain.

-- Marks (region, week) pairs as changed. It locks them in one order, so that concurrent loads cannot deadlock.
CREATE OR REPLACE FUNCTION shifts_store.mark_stale(region_ids integer[], weeks date[], deleted boolean)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    one record;
BEGIN
    -- One region a statement: it needs only the server of that region.
    FOR one IN
        SELECT u.region_id, array_agg(DISTINCT u.week ORDER BY u.week) AS weeks
        FROM unnest(mark_stale.region_ids, mark_stale.weeks) AS u (region_id, week)
        GROUP BY u.region_id ORDER BY u.region_id
    LOOP
        INSERT INTO shifts_store.region_weeks AS w
            (region_id, week, revision, changed_at, stale_since, deletion_count)
        SELECT one.region_id, p.week, nextval('shifts_store.revisions'), clock_timestamp(), clock_timestamp(),
               mark_stale.deleted::integer
        FROM unnest(one.weeks) AS p (week)
        -- The revision is drawn before the row is locked, so a change that waited may get a smaller one than the
        -- change before it. Revisions of a pair are compared for equality only.
        ON CONFLICT (region_id, week) DO UPDATE
        SET revision = excluded.revision,
            changed_at = excluded.changed_at,
            stale_since = CASE WHEN w.aggregates_revision = w.revision AND w.clusters_revision = w.revision
                               THEN excluded.changed_at ELSE w.stale_since END,
            shifts_stale_since = CASE WHEN w.shifts_revision = w.revision
                                      THEN excluded.changed_at ELSE w.shifts_stale_since END,
            deletion_count = w.deletion_count + excluded.deletion_count;
    END LOOP;
    PERFORM pg_notify('shifts_weeks', '');
END
$$;

-- Records how many trips of a file are in which pairs, and marks these as changed. The caller then records the segments
-- that contain the trips.
CREATE OR REPLACE FUNCTION shifts_store.record_file(
    file_id bigint, region_ids integer[], weeks date[], trips bigint[], first_at timestamp[], last_at timestamp[])
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    INSERT INTO shifts_store.file_week_counts (region_id, week, file_id, trips, first_at, last_at, aggregated)
    SELECT u.region_id, u.week, record_file.file_id, u.trips, u.first_at, u.last_at, true
    FROM unnest(record_file.region_ids, record_file.weeks, record_file.trips, record_file.first_at,
                record_file.last_at) AS u (region_id, week, trips, first_at, last_at);
    PERFORM shifts_store.mark_stale(record_file.region_ids, record_file.weeks, false);
END
$$;

-- Deletes a file's trips and rejects. It may take long and locks no pair: call it before `replace_files`, after segments
-- that subtract the trips are written.
CREATE OR REPLACE FUNCTION shifts_store.delete_rows(gone bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    one_week date;
BEGIN
    DELETE FROM shifts_store.rejected_rows r WHERE r.file_id = gone;
    FOR one_week IN
        SELECT DISTINCT f.week FROM shifts_store.file_week_counts f WHERE f.file_id = gone ORDER BY f.week
    LOOP
        DELETE FROM shifts_store.trips t
        WHERE t.started_at >= one_week AND t.started_at < one_week + 7 AND t.file_id = gone;
    END LOOP;
END
$$;

-- Removes the counts of a file whose rows are deleted; it does not block its pairs any more. The caller then records the
-- segments that subtract its trips.
CREATE OR REPLACE FUNCTION shifts_store.remove_file(gone bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    region_ids integer[];
    weeks      date[];
BEGIN
    DELETE FROM shifts_store.blocked_pairs b WHERE b.file_id = gone;
    SELECT array_agg(f.region_id ORDER BY f.region_id, f.week), array_agg(f.week ORDER BY f.region_id, f.week)
    INTO region_ids, weeks
    FROM shifts_store.file_week_counts f WHERE f.file_id = gone;
    IF region_ids IS NULL THEN
        RETURN;
    END IF;
    PERFORM shifts_store.mark_stale(region_ids, weeks, true);
    PERFORM shifts_store.drop_cells(region_ids, weeks);
    DELETE FROM shifts_store.file_week_counts f WHERE f.file_id = gone;
END
$$;

-- Deletes the tiles of segments that would subtract trips of files that no tile contains yet: such files were loaded
-- before segments existed, and not refreshed since. Returns these segments. The caller has locked the pairs.
CREATE OR REPLACE FUNCTION shifts_store.discard_deletions(
    gone bigint[], region_ids integer[], weeks date[], segments bigint[], file_ids bigint[], trips bigint[])
RETURNS bigint[]
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    pending   record;
    of_pair   bigint[];
    discarded bigint[] := '{}';
BEGIN
    FOR pending IN
        SELECT f.region_id, f.week, f.file_id FROM shifts_store.file_week_counts f
        WHERE f.file_id = ANY (gone) AND NOT f.aggregated
    LOOP
        of_pair := ARRAY(
            SELECT u.segment FROM unnest(region_ids, weeks, segments, file_ids, trips)
                AS u (region_id, week, segment, file_id, trips)
            WHERE u.region_id = pending.region_id AND u.week = pending.week AND u.file_id = pending.file_id
              AND u.trips < 0);
        DELETE FROM shifts_store.weekly_trip_tiles t
        WHERE t.region_id = pending.region_id AND t.week = pending.week AND t.segment = ANY (of_pair);
        discarded := discarded || of_pair;
    END LOOP;
    RETURN discarded;
END
$$;

-- Returns a (region, week) pair, the files that its trips are from, how many trips their loads recorded, whether some of
-- these are in no segment yet, and its segments; no row if the pair never had any trips. `unmerged` is the pair's only
-- segment if that is complete, its tiles have minutes and no refresh has merged it yet, else null.
CREATE OR REPLACE FUNCTION shifts_store.find_region_week(region text, week date)
RETURNS TABLE (region_id integer, revision bigint, deletion_count bigint, file_ids bigint[], trips bigint,
               is_pending boolean, segments bigint[], unmerged bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    SELECT w.region_id, w.revision, w.deletion_count INTO region_id, revision, deletion_count
    FROM shifts_store.region_weeks w
    JOIN shifts_store.regions r ON r.region_id = w.region_id
    WHERE r.name = find_region_week.region AND w.week = find_region_week.week;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT coalesce(array_agg(f.file_id ORDER BY f.file_id), '{}'), coalesce(sum(f.trips), 0),
           coalesce(bool_or(NOT f.aggregated), false)
    INTO file_ids, trips, is_pending
    FROM shifts_store.file_week_counts f
    WHERE f.region_id = find_region_week.region_id AND f.week = find_region_week.week;
    SELECT coalesce(array_agg(s.segment ORDER BY s.segment), '{}'),
           CASE WHEN count(*) = 1 AND min(s.trips) = find_region_week.trips AND NOT is_pending
                     AND bool_and(s.file_id IS NOT NULL) THEN min(s.segment) END
    INTO segments, unmerged
    FROM shifts_store.tile_segments s
    WHERE s.region_id = find_region_week.region_id AND s.week = find_region_week.week;
    IF EXISTS (SELECT FROM shifts_store.weekly_trip_tiles t
               WHERE t.region_id = find_region_week.region_id AND t.week = find_region_week.week
                 AND t.segment = unmerged AND octet_length(t.high_bits) <= 8 * t.trips) THEN
        unmerged := NULL;
    END IF;
    RETURN NEXT;
END
$$;

-- Records the counts and segments of a file in place of those of others, whose rows are deleted. Segments with negative
-- trips subtract the deleted ones. It locks the pairs, and posts to them wait: call it last before the commit. It locks all
-- pairs in one order first, so that two loads that exchange their weeks cannot deadlock.
CREATE OR REPLACE FUNCTION shifts_store.replace_files(
    gone bigint[], file_id bigint, region_ids integer[], weeks date[], trips bigint[],
    first_at timestamp[], last_at timestamp[], segment_region_ids integer[], segment_weeks date[],
    segments bigint[], segment_file_ids bigint[], segment_trips bigint[])
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    all_regions integer[];
    all_weeks   date[];
    discarded   bigint[] := '{}';
    old         bigint;
BEGIN
    IF cardinality(gone) > 0 THEN
        SELECT array_agg(p.region_id), array_agg(p.week) INTO all_regions, all_weeks
        FROM (SELECT f.region_id, f.week FROM shifts_store.file_week_counts f WHERE f.file_id = ANY (gone)
              UNION SELECT u.region_id, u.week
              FROM unnest(replace_files.region_ids, replace_files.weeks) AS u (region_id, week)) AS p;
        PERFORM shifts_store.mark_stale(all_regions, all_weeks, false);
        discarded := shifts_store.discard_deletions(
            gone, segment_region_ids, segment_weeks, segments, segment_file_ids, segment_trips);
    END IF;
    FOREACH old IN ARRAY gone LOOP
        PERFORM shifts_store.remove_file(old);
    END LOOP;
    IF cardinality(region_ids) > 0 THEN
        PERFORM shifts_store.record_file(replace_files.file_id, replace_files.region_ids, replace_files.weeks,
                                       replace_files.trips, replace_files.first_at, replace_files.last_at);
    END IF;
    IF cardinality(segments) > cardinality(discarded) THEN
        PERFORM shifts_store.record_segments(
            array_agg(u.region_id), array_agg(u.week), array_agg(u.segment), array_agg(u.file_id), array_agg(u.trips))
        FROM unnest(segment_region_ids, segment_weeks, segments, segment_file_ids, segment_trips)
            AS u (region_id, week, segment, file_id, trips)
        WHERE u.segment <> ALL (discarded);
    END IF;
END
$$;

-- Returns the weeks that have trips, in order. It takes one index lookup per week, however many files and regions.
CREATE OR REPLACE FUNCTION shifts_store.weeks_with_trips() RETURNS SETOF date
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    found date := (SELECT min(c.week) FROM shifts_store.file_week_counts c);
BEGIN
    WHILE found IS NOT NULL LOOP
        RETURN NEXT found;
        found := (SELECT min(c.week) FROM shifts_store.file_week_counts c WHERE c.week > found);
    END LOOP;
END
$$;

-- Returns the weeks with stale pairs, in order, and since when the oldest of them is stale. One index lookup per week.
CREATE OR REPLACE FUNCTION shifts_store.weeks_with_stale_pairs()
RETURNS TABLE (week date, stale_since timestamptz)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    week := '-infinity';
    LOOP
        SELECT w.week, w.stale_since INTO week, stale_since FROM shifts_store.region_weeks w
        WHERE (w.aggregates_revision <> w.revision OR w.clusters_revision <> w.revision)
          AND w.week > weeks_with_stale_pairs.week
        ORDER BY w.week, w.stale_since LIMIT 1;
        EXIT WHEN NOT FOUND;
        RETURN NEXT;
    END LOOP;
END
$$;

-- Returns what the derived tables of a week hold, and how many of its pairs are stale in each.
CREATE OR REPLACE FUNCTION shifts_store.week_totals(week date)
RETURNS TABLE (regions bigint, trips bigint, stale_aggregates bigint, stale_clusters bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    SELECT count(DISTINCT c.region_id), coalesce(sum(c.trips), 0) INTO regions, trips
    FROM shifts_store.file_week_counts c WHERE c.week = week_totals.week;
    SELECT count(*) FILTER (WHERE w.aggregates_revision <> w.revision),
           count(*) FILTER (WHERE w.clusters_revision <> w.revision)
    INTO stale_aggregates, stale_clusters
    FROM shifts_store.region_weeks w
    WHERE w.week = week_totals.week AND (w.aggregates_revision <> w.revision OR w.clusters_revision <> w.revision);
    RETURN NEXT;
END
$$;
