-- Audits: the ledger, the trips, the counts of the loads and the tables derived from the trips are compared, and pairs of
-- files that differ are blocked.

-- Blocks the pairs of a loaded file whose rows differ from the ledger. Returns how many it has.
CREATE OR REPLACE FUNCTION shifts_store.block_pairs(file_id bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
#variable_conflict use_column
BEGIN
    -- Whoever replaces the file meanwhile waits, and unblocks the pairs with it.
    PERFORM FROM shifts_store.trip_files f
    WHERE f.file_id = block_pairs.file_id AND f.status = 'loaded' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    INSERT INTO shifts_store.blocked_pairs (region_id, week, file_id)
    SELECT c.region_id, c.week, c.file_id FROM shifts_store.file_week_counts c WHERE c.file_id = block_pairs.file_id
    ON CONFLICT DO NOTHING;
    RETURN (SELECT count(*) FROM shifts_store.blocked_pairs b WHERE b.file_id = block_pairs.file_id);
END
$$;

-- Unblocks the pairs of files that are no longer loaded or whose rows match the ledger. Returns how many files.
CREATE OR REPLACE FUNCTION shifts_store.unblock_right_files(max_rejects bigint, max_reject_bytes bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    blocked   bigint;
    unblocked bigint := 0;
BEGIN
    FOR blocked IN SELECT DISTINCT b.file_id FROM shifts_store.blocked_pairs b LOOP
        CONTINUE WHEN EXISTS (SELECT FROM shifts_store.trip_files f WHERE f.file_id = blocked AND f.status = 'loaded')
                  -- Null without any stored reject.
                  AND (SELECT shifts_store.rows_match_ledger(blocked, max_rejects, max_reject_bytes)) IS NOT TRUE;
        DELETE FROM shifts_store.blocked_pairs b WHERE b.file_id = blocked;
        unblocked := unblocked + 1;
    END LOOP;
    RETURN unblocked;
END
$$;

-- Audits the shifts after a week, of regions in which they are fresh: counted trips that do not fit, numbers that differ
-- from those that were recorded with them, and histories that have other numbers of trips by now.
CREATE OR REPLACE FUNCTION shifts_store.audit_shifts(week date)
RETURNS TABLE (region_id integer, what text, expected bigint, found bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp
SET plan_cache_mode = force_custom_plan
-- As for the checks of new shifts: the planner expects too few of them.
SET enable_nestloop = off AS $$
DECLARE
    weeks integer := coalesce((SELECT max((p.parameters::jsonb ->> 'weeks')::integer)
                               FROM shifts_store.shift_parameters p), 1);
BEGIN
    RETURN QUERY
    WITH stale AS MATERIALIZED (
        SELECT DISTINCT w.region_id FROM shifts_store.region_weeks w
        WHERE w.shifts_revision <> w.revision AND w.week <= audit_shifts.week AND w.week > audit_shifts.week - 7 * weeks
    ), makings AS MATERIALIZED (
        SELECT m.region_id, m.parameters::jsonb AS parameters, m.trips, m.trips_served, m.shifts
        FROM shifts_store.shift_makings m
        WHERE m.week = audit_shifts.week AND m.region_id NOT IN (SELECT s.region_id FROM stale s)
    ), recorded AS MATERIALIZED (
        SELECT c.region_id, sum(c.trips)::bigint AS trips,
               coalesce(sum(c.trips) FILTER (WHERE c.week = audit_shifts.week), 0) > 0 AS has_shifts
        FROM shifts_store.file_week_counts c
        WHERE c.week <= audit_shifts.week AND c.week > audit_shifts.week - 7 * weeks
          AND c.region_id NOT IN (SELECT s.region_id FROM stale s)
        GROUP BY c.region_id
    ), stored AS MATERIALIZED (
        SELECT s.region_id, count(*) AS shifts, sum(s.trips)::bigint AS trips
        FROM shifts_store.shifts s
        WHERE s.week = audit_shifts.week AND s.region_id NOT IN (SELECT t.region_id FROM stale t) GROUP BY s.region_id
    ), violations AS MATERIALIZED (
        SELECT v.* FROM (
            SELECT array_agg(m.region_id) AS region_ids, (m.parameters ->> 'weeks')::integer AS weeks,
                   (m.parameters ->> 'max_radius_m')::double precision AS max_radius_m
            FROM makings m WHERE m.shifts > 0 GROUP BY 2, 3) AS g
        CROSS JOIN LATERAL shifts_store.shift_violations(
            g.region_ids, audit_shifts.week, g.weeks, g.max_radius_m) AS v
    )
    SELECT v.region_id, 'shifts with trips that do not fit', 0::bigint, cardinality(v.misfits)::bigint
    FROM violations v WHERE v.misfits <> '{}'
    UNION ALL
    SELECT v.region_id, 'shifts with trips of another shift, or after a gap in the ranks', 0,
           cardinality(v.double)::bigint
    FROM violations v WHERE v.double <> '{}'
    UNION ALL
    SELECT coalesce(m.region_id, s.region_id), 'shifts', coalesce(m.shifts, 0)::bigint, coalesce(s.shifts, 0)
    FROM makings m FULL JOIN stored s ON s.region_id = m.region_id
    WHERE coalesce(m.shifts, 0) <> coalesce(s.shifts, 0)
    UNION ALL
    SELECT coalesce(m.region_id, s.region_id), 'trips that shifts count', coalesce(m.trips_served, 0),
           coalesce(s.trips, 0)
    FROM makings m FULL JOIN stored s ON s.region_id = m.region_id
    WHERE coalesce(m.trips_served, 0) <> coalesce(s.trips, 0)
    UNION ALL
    SELECT coalesce(r.region_id, m.region_id), 'trips that shifts were made from', coalesce(r.trips, 0),
           coalesce(m.trips, 0)
    FROM (SELECT * FROM recorded c WHERE c.has_shifts) AS r FULL JOIN makings m ON m.region_id = r.region_id
    WHERE coalesce(r.trips, 0) <> coalesce(m.trips, 0);
END
$$;

-- Audits a week in one snapshot, reading its trips once, and those that its shifts count once more. Returns the number of trips, and differences: in `raw_trips` the
-- trips of each region and file ≠ those that the load recorded; in `weekly_aggregates` trips in tiles ≠ recorded trips
-- of the files that the tiles contain, or tiles of a fresh pair without some file; in `trip_clusters` trips that are in
-- clusters more than once; in `shifts` what `audit_shifts` finds.
CREATE OR REPLACE FUNCTION shifts_store.audit_week(week date, max_differences integer)
RETURNS TABLE (trips bigint, differences jsonb)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp
-- Partitions of other weeks are excluded for the values of one week only.
SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    RETURN QUERY
    WITH stored AS MATERIALIZED (
        SELECT t.region_id, t.file_id, count(*) AS trips FROM shifts_store.trips t
        WHERE t.started_at >= audit_week.week AND t.started_at < audit_week.week + 7
        GROUP BY t.region_id, t.file_id
    ), recorded AS MATERIALIZED (
        SELECT c.region_id, c.file_id, c.trips, c.aggregated FROM shifts_store.file_week_counts c
        WHERE c.week = audit_week.week
    ), pairs AS MATERIALIZED (
        SELECT w.region_id, w.aggregates_revision = w.revision AS is_fresh FROM shifts_store.region_weeks w
        WHERE w.week = audit_week.week
    ), aggregated AS (
        SELECT r.region_id, coalesce(sum(r.trips) FILTER (WHERE r.aggregated), 0) AS trips,
               bool_and(r.aggregated) AS is_complete
        FROM recorded r GROUP BY r.region_id
    ), tiles AS (
        -- Segments with negative trips subtract theirs.
        SELECT t.region_id, sum(CASE WHEN g.trips < 0 THEN -t.trips ELSE t.trips END) AS trips
        FROM shifts_store.weekly_trip_tiles t
        JOIN shifts_store.tile_segments g ON g.region_id = t.region_id AND g.week = t.week AND g.segment = t.segment
        WHERE t.week = audit_week.week GROUP BY t.region_id
    ), wrong_members AS (
        SELECT c.region_id, m.trip_id, count(*) AS clusters
        FROM shifts_store.trip_clusters c CROSS JOIN LATERAL unnest(c.trip_ids) AS m (trip_id)
        WHERE c.week = audit_week.week
        GROUP BY c.region_id, m.trip_id HAVING count(*) > 1
    ), found AS (
        SELECT 'raw_trips' AS asset, coalesce(s.region_id, r.region_id) AS region_id,
               'trips of file ' || coalesce(s.file_id, r.file_id) AS what,
               coalesce(r.trips, 0)::bigint AS expected, coalesce(s.trips, 0)::bigint AS found
        FROM stored s FULL JOIN recorded r ON r.region_id = s.region_id AND r.file_id = s.file_id
        WHERE s.trips IS DISTINCT FROM r.trips
        UNION ALL
        SELECT 'weekly_aggregates', coalesce(a.region_id, t.region_id), 'trips in tiles',
               coalesce(a.trips, 0)::bigint, coalesce(t.trips, 0)::bigint
        FROM aggregated a FULL JOIN tiles t ON t.region_id = a.region_id
        WHERE coalesce(a.trips, 0) <> coalesce(t.trips, 0)
        UNION ALL
        SELECT 'weekly_aggregates', p.region_id, 'files that are not in the tiles of a fresh region', 0, 1
        FROM pairs p JOIN aggregated a ON a.region_id = p.region_id WHERE p.is_fresh AND NOT a.is_complete
        UNION ALL
        SELECT 'weekly_aggregates', a.region_id, 'regions without a state', 0, 1
        FROM aggregated a LEFT JOIN pairs p ON p.region_id = a.region_id WHERE p.region_id IS NULL
        UNION ALL
        SELECT 'trip_clusters', m.region_id, 'clusters with trip ' || m.trip_id, 1, m.clusters
        FROM wrong_members m
        UNION ALL
        SELECT 'shifts', a.region_id, a.what, a.expected, a.found FROM shifts_store.audit_shifts(audit_week.week) a
    ), listed AS (
        SELECT f.asset, coalesce(g.name, f.region_id::text) AS region, f.what, f.expected, f.found
        FROM found f LEFT JOIN shifts_store.regions g ON g.region_id = f.region_id
        ORDER BY 1, 2, 3 LIMIT max_differences
    )
    SELECT (SELECT coalesce(sum(s.trips), 0)::bigint FROM stored s),
           (SELECT coalesce(jsonb_agg(to_jsonb(l) ORDER BY l.asset, l.region, l.what), '[]') FROM listed l);
END
$$;

-- Audits the files with ids from `first_id` to before `end_id`: the trips that loads recorded by week ≠ those of the
-- ledger, or the stored rejects ≠ those of the ledger, as far as rejects are stored. Files that are not loaded have none.
CREATE OR REPLACE FUNCTION shifts_store.audit_files(
    first_id bigint, end_id bigint, max_rejects bigint, max_reject_bytes bigint, max_differences integer)
RETURNS TABLE (files bigint, differences jsonb)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp
SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    RETURN QUERY
    WITH recorded AS MATERIALIZED (
        SELECT c.file_id, sum(c.trips)::bigint AS trips FROM shifts_store.file_week_counts c
        WHERE c.file_id >= first_id AND c.file_id < end_id GROUP BY c.file_id
    ), rejects AS MATERIALIZED (
        SELECT j.file_id, count(*) AS rows, sum(octet_length(j.raw)) AS bytes FROM shifts_store.rejected_rows j
        WHERE j.file_id >= first_id AND j.file_id < end_id GROUP BY j.file_id
    ), audited AS MATERIALIZED (
        SELECT f.file_id, f.name, f.status = 'loaded' AS is_loaded, f.rows_loaded - f.rows_expired AS rows_kept,
               f.rows_rejected
        FROM shifts_store.trip_files f
        WHERE f.file_id >= first_id AND f.file_id < end_id AND f.status <> 'deleting'
    ), found AS (
        SELECT a.file_id, a.name, 'trips by week' AS what,
               CASE WHEN a.is_loaded THEN a.rows_kept ELSE 0 END AS expected, coalesce(r.trips, 0) AS found
        FROM audited a LEFT JOIN recorded r ON r.file_id = a.file_id
        WHERE coalesce(r.trips, 0) <> CASE WHEN a.is_loaded THEN a.rows_kept ELSE 0 END
        UNION ALL
        SELECT a.file_id, a.name, 'stored rejects', a.rows_rejected, coalesce(j.rows, 0)
        FROM audited a LEFT JOIN rejects j ON j.file_id = a.file_id
        WHERE a.is_loaded AND coalesce(j.rows, 0) <> a.rows_rejected
          AND (coalesce(j.rows, 0) > a.rows_rejected
               OR coalesce(j.rows, 0) < max_rejects AND coalesce(j.bytes, 0) < max_reject_bytes)
    ), listed AS (
        SELECT 'raw_trips' AS asset, f.name AS file, f.what || ' of file ' || f.file_id AS what, f.expected, f.found
        FROM found f ORDER BY f.file_id, f.what LIMIT max_differences
    )
    SELECT (SELECT count(*) FROM audited),
           (SELECT coalesce(jsonb_agg(to_jsonb(l) ORDER BY l.what), '[]') FROM listed l);
END
$$;

-- Returns all weeks that ever had trips, the least recently audited first, and forgets the audits of other weeks.
CREATE OR REPLACE FUNCTION shifts_store.weeks_to_audit() RETURNS SETOF date
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    known date[] := ARRAY(SELECT DISTINCT w.week FROM shifts_store.region_weeks w);
BEGIN
    known := ARRAY(SELECT u.week FROM unnest(known) AS u (week) UNION SELECT * FROM shifts_store.weeks_with_trips());
    DELETE FROM shifts_store.week_audits a WHERE a.week <> ALL (known);
    RETURN QUERY
    SELECT u.week FROM unnest(known) AS u (week) LEFT JOIN shifts_store.week_audits a ON a.week = u.week
    ORDER BY a.audited_at NULLS FIRST, u.week;
END
$$;
