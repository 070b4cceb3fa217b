-- Retention: weeks that are older than what is kept are dropped, each in one transaction.

-- Returns what would be dropped if all weeks before a Monday expired. The files of a week are those with trips in it; files
-- are `whole` in the last of their weeks if they have no younger trips: then they are deleted.
CREATE OR REPLACE FUNCTION shifts_store.expiring_weeks(before date)
RETURNS TABLE (week date, trips bigint, clusters bigint, shifts bigint, files bigint, whole_files bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp
SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    RETURN QUERY
    WITH counts AS MATERIALIZED (
        SELECT c.week, c.file_id, sum(c.trips) AS trips FROM shifts_store.file_week_counts c
        WHERE c.week < before GROUP BY c.week, c.file_id
    ), younger AS MATERIALIZED (
        SELECT DISTINCT y.file_id FROM shifts_store.file_week_counts y WHERE y.week >= before
    ), ends AS (
        SELECT c.file_id, max(c.week) AS week FROM counts c
        WHERE c.file_id NOT IN (SELECT y.file_id FROM younger y) GROUP BY c.file_id
    ), clusters AS MATERIALIZED (
        SELECT c.week, count(*) AS rows FROM shifts_store.trip_clusters c WHERE c.week < before GROUP BY c.week
    ), made AS MATERIALIZED (
        SELECT s.week, count(*) AS rows FROM shifts_store.shifts s WHERE s.week < before GROUP BY s.week
    ), segments AS MATERIALIZED (
        SELECT DISTINCT s.week FROM shifts_store.tile_segments s WHERE s.week < before
    ), makings AS MATERIALIZED (
        SELECT DISTINCT m.week FROM shifts_store.shift_makings m WHERE m.week < before
    ), weeks AS (
        SELECT c.week FROM counts c
        UNION SELECT s.week FROM segments s
        UNION SELECT c.week FROM clusters c
        UNION SELECT m.week FROM makings m
    )
    SELECT w.week,
           (SELECT coalesce(sum(c.trips), 0)::bigint FROM counts c WHERE c.week = w.week),
           coalesce((SELECT c.rows FROM clusters c WHERE c.week = w.week), 0),
           coalesce((SELECT m.rows FROM made m WHERE m.week = w.week), 0),
           (SELECT count(*) FROM counts c WHERE c.week = w.week),
           (SELECT count(*) FROM ends e WHERE e.week = w.week)
    FROM weeks w ORDER BY w.week;
END
$$;

-- Drops what a week holds. Shifts of later weeks that were made with its trips no longer list them, and are due. Files without
-- any other trips are to be deleted, with their copies and older versions. It gives up if a load or a long query holds the week.
CREATE OR REPLACE FUNCTION shifts_store.expire_week(week date, keep_totals boolean, asked_by text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp
SET plan_cache_mode = force_custom_plan SET lock_timeout = '5s' AS $$
DECLARE
    partition_name text := shifts_store.partition_of(week);
    version        bigint;
    since          timestamptz := clock_timestamp();
    pair           record;
    touched        bigint[];
    kept           bigint[];
BEGIN
    -- Unlike DROP, it locks no other week.
    IF to_regclass('shifts_store.' || partition_name) IS NOT NULL THEN
        EXECUTE format('TRUNCATE shifts_store.%I', partition_name);
    END IF;
    -- Files before pairs, as loads lock them.
    PERFORM FROM shifts_store.trip_files f
    WHERE f.file_id IN (SELECT c.file_id FROM shifts_store.file_week_counts c WHERE c.week = expire_week.week)
    ORDER BY f.file_id FOR UPDATE;
    -- One pair a statement: Citus locks rows of one shard only.
    FOR pair IN SELECT w.region_id FROM shifts_store.region_weeks w WHERE w.week = expire_week.week ORDER BY 1 LOOP
        PERFORM FROM shifts_store.region_weeks w
        WHERE w.region_id = pair.region_id AND w.week = expire_week.week FOR UPDATE;
    END LOOP;
    version := nextval('shifts_store.revisions');
    touched := ARRAY(SELECT DISTINCT c.file_id FROM shifts_store.file_week_counts c WHERE c.week = expire_week.week);

    INSERT INTO shifts_store.expired_weeks AS e (week, expired_at, trips)
    SELECT expire_week.week, since, coalesce(sum(c.trips), 0)
    FROM shifts_store.file_week_counts c WHERE c.week = expire_week.week
    ON CONFLICT ON CONSTRAINT expired_weeks_pkey
    DO UPDATE SET expired_at = excluded.expired_at, trips = e.trips + excluded.trips;
    IF keep_totals THEN
        INSERT INTO shifts_store.expired_totals AS e (region_id, week, trips)
        SELECT c.region_id, expire_week.week, sum(c.trips) FROM shifts_store.file_week_counts c
        WHERE c.week = expire_week.week GROUP BY c.region_id
        ON CONFLICT ON CONSTRAINT expired_totals_pkey DO UPDATE SET trips = e.trips + excluded.trips;
    END IF;
    UPDATE shifts_store.trip_files f SET rows_expired = f.rows_expired + c.trips
    FROM (SELECT c.file_id, sum(c.trips) AS trips FROM shifts_store.file_week_counts c
          WHERE c.week = expire_week.week GROUP BY c.file_id) AS c
    WHERE f.file_id = c.file_id;
    PERFORM shifts_store.delete_week(week);

    -- Those that count no other trips go, and the others keep their ids when they are made again.
    DELETE FROM shifts_store.shifts s USING shifts_store.shift_makings m
    WHERE m.region_id = s.region_id AND m.week = s.week AND expire_week.week = ANY (m.history_weeks)
      AND NOT EXISTS (SELECT FROM unnest(s.trip_ids) AS t (id) WHERE shifts_store.week_of_id(t.id) <> expire_week.week);
    UPDATE shifts_store.shifts s SET trips = cardinality(k.trip_ids), trip_ids = k.trip_ids
    FROM (SELECT c.region_id, c.week, c.rank, ARRAY(
              SELECT t.id FROM unnest(c.trip_ids) AS t (id)
              WHERE shifts_store.week_of_id(t.id) <> expire_week.week ORDER BY t.id) AS trip_ids
          FROM shifts_store.shifts c
          JOIN shifts_store.shift_makings m ON m.region_id = c.region_id AND m.week = c.week
          WHERE expire_week.week = ANY (m.history_weeks)) AS k
    WHERE k.region_id = s.region_id AND k.week = s.week AND k.rank = s.rank;
    UPDATE shifts_store.region_weeks w SET shifts_revision = 0, shifts_stale_since = since
    FROM shifts_store.shift_makings m
    WHERE m.region_id = w.region_id AND m.week = w.week AND expire_week.week = ANY (m.history_weeks)
      AND w.shifts_revision = w.revision;
    -- The pairs stay, fresh and empty: the revision of a region is the sum of theirs, and must never decrease.
    UPDATE shifts_store.region_weeks w
    SET revision = version, aggregates_revision = version, clusters_revision = version, shifts_revision = version,
        tiles_revision = version, merged_revision = version, cells_revision = version, cells_min_count = NULL,
        cells_trips = 0, deletion_count = w.deletion_count + 1,
        changed_at = since
    WHERE w.week = expire_week.week;

    kept := ARRAY(SELECT DISTINCT c.file_id FROM shifts_store.file_week_counts c WHERE c.file_id = ANY (touched));
    touched := ARRAY(SELECT u.id FROM unnest(touched) AS u (id) WHERE u.id <> ALL (kept));
    PERFORM shifts_store.mark_deleting(
        ARRAY(SELECT f.file_id FROM shifts_store.trip_files f
              WHERE f.file_id = ANY (touched) OR f.duplicate_of = ANY (touched) AND f.status = 'duplicate'
                 OR f.kind = 'file' AND f.status = 'superseded' AND f.name IN (
                     SELECT o.name FROM shifts_store.trip_files o WHERE o.file_id = ANY (touched))),
        asked_by)
    WHERE touched <> '{}';
    PERFORM pg_notify('shifts_weeks', '');
END
$$;

-- Deletes the rows of a week in all tables but `trips` and `region_weeks`.
CREATE OR REPLACE FUNCTION shifts_store.delete_week(week date) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    DELETE FROM shifts_store.file_week_counts c WHERE c.week = delete_week.week;
    DELETE FROM shifts_store.tile_segments s WHERE s.week = delete_week.week;
    DELETE FROM shifts_store.weekly_trip_tiles t WHERE t.week = delete_week.week;
    DELETE FROM shifts_store.cell_tiles t WHERE t.week = delete_week.week;
    DELETE FROM shifts_store.trip_clusters c WHERE c.week = delete_week.week;
    DELETE FROM shifts_store.shifts s WHERE s.week = delete_week.week;
    DELETE FROM shifts_store.shift_makings m WHERE m.week = delete_week.week;
    DELETE FROM shifts_store.failed_pair_checks c WHERE c.week = delete_week.week;
    DELETE FROM shifts_store.refresh_attempts a WHERE a.week = delete_week.week;
    DELETE FROM shifts_store.blocked_pairs b WHERE b.week = delete_week.week;
    DELETE FROM shifts_store.week_audits a WHERE a.week = delete_week.week;
END
$$;

-- Drops the empty partition of an expired week. Returns false if a load or a long query holds the table for longer than two
-- seconds, in which others wait for it, or if the week has trips again.
CREATE OR REPLACE FUNCTION shifts_store.drop_partition(week date) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    partition_name text := shifts_store.partition_of(week);
    has_trips      boolean;
BEGIN
    IF to_regclass('shifts_store.' || partition_name) IS NULL THEN
        RETURN true;
    END IF;
    LOCK TABLE ONLY shifts_store.trips IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('LOCK TABLE shifts_store.%I IN ACCESS EXCLUSIVE MODE', partition_name);
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM shifts_store.%I)', partition_name) INTO has_trips;
    IF has_trips THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE shifts_store.%I', partition_name);
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END
$$;
