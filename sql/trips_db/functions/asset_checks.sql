-- Comparisons of the written tables with what was to be written, for asset checks.

-- Returns whether the tables hold exactly the trips and rejects that the ledger states for a file; no row if the ledger
-- does not contain it. Rejects are complete, or fill one of the limits of what is stored.
CREATE OR REPLACE FUNCTION shifts_store.rows_match_ledger(file_id bigint, max_rejects bigint, max_reject_bytes bigint)
RETURNS SETOF boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp
-- Partitions of other weeks are excluded for the values of one file only.
SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    RETURN QUERY
    WITH recorded AS (
        SELECT c.week, c.region_id, c.trips FROM shifts_store.file_week_counts c
        WHERE c.file_id = rows_match_ledger.file_id
    ), stored AS (
        -- Each week is read once, however many regions it has.
        SELECT w.week, s.region_id, s.trips
        FROM (SELECT DISTINCT r.week FROM recorded r) AS w,
        LATERAL (SELECT t.region_id, count(*) AS trips FROM shifts_store.trips t
                 WHERE t.file_id = rows_match_ledger.file_id AND t.started_at >= w.week AND t.started_at < w.week + 7
                 GROUP BY t.region_id) AS s
    )
    SELECT NOT EXISTS (SELECT FROM recorded r FULL JOIN stored s USING (week, region_id, trips)
                       WHERE r IS NULL OR s IS NULL)
       AND (SELECT coalesce(sum(r.trips), 0) FROM recorded r) = f.rows_loaded - f.rows_expired
       AND (SELECT count(*) = f.rows_rejected
                OR count(*) < f.rows_rejected
                   AND (count(*) >= max_rejects OR sum(octet_length(j.raw)) >= max_reject_bytes)
            FROM shifts_store.rejected_rows j WHERE j.file_id = rows_match_ledger.file_id)
    FROM shifts_store.trip_files f WHERE f.file_id = rows_match_ledger.file_id;
END
$$;

-- Returns the trips in the tiles of a pair, and the trips that the loads of the same files recorded.
CREATE OR REPLACE FUNCTION shifts_store.tile_totals(region_id integer, week date)
RETURNS TABLE (trips_in_tiles bigint, trips_recorded bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    trips_in_tiles := (SELECT coalesce(sum(sign(s.trips) * t.trips), 0) FROM shifts_store.tile_segments s
                       JOIN shifts_store.weekly_trip_tiles t
                           ON t.region_id = s.region_id AND t.week = s.week AND t.segment = s.segment
                       WHERE s.region_id = tile_totals.region_id AND s.week = tile_totals.week);
    trips_recorded := (SELECT coalesce(sum(c.trips), 0) FROM shifts_store.file_week_counts c
                       WHERE c.region_id = tile_totals.region_id AND c.week = tile_totals.week AND c.aggregated);
    RETURN NEXT;
END
$$;

-- Returns the ranks of shifts of some regions after a week that break a guarantee; no row for a region without any. Misfits:
-- shifts that count a trip that is missing, outside of the region or the history, farther from the places than the maximum,
-- or outside of the window and the weekdays. Double: shifts that count a trip twice, or that another one counts, or whose
-- rank does not follow that of another. Call it with enable_nestloop = off: newly loaded trips have no statistics. A setting
-- of the function would not reach Citus workers.
CREATE OR REPLACE FUNCTION shifts_store.shift_violations(
    region_ids integer[], week date, weeks integer, max_radius_m double precision)
RETURNS TABLE (region_id integer, misfits integer[], double integer[])
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp
SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    first_region integer := (SELECT min(u.id) FROM unnest(region_ids) AS u (id));
    last_region  integer := (SELECT max(u.id) FROM unnest(region_ids) AS u (id));
    first_week   date := shift_violations.week - 7 * (weeks - 1);
BEGIN
    RETURN QUERY
    WITH found AS MATERIALIZED (
        SELECT s.region_id, s.rank, s.weekdays, s.earliest, s.latest, s.pickup, s.dropoff, s.trip_ids,
               lag(s.rank, 1, 0) OVER (PARTITION BY s.region_id ORDER BY s.rank) AS rank_before
        FROM shifts_store.shifts s WHERE s.region_id = ANY (region_ids) AND s.week = shift_violations.week
    ), counted AS MATERIALIZED (
        SELECT f.region_id, f.rank, f.weekdays, f.earliest, f.latest, f.pickup, f.dropoff, u.trip_id
        FROM found f, unnest(f.trip_ids) AS u (trip_id)
    ), misfit AS (
        SELECT DISTINCT c.region_id, c.rank
        FROM counted c
        LEFT JOIN shifts_store.trips t
            ON t.trip_id = c.trip_id AND t.region_id = c.region_id
            AND t.region_id BETWEEN first_region AND last_region
            AND t.started_at >= first_week AND t.started_at < shift_violations.week + 7
        WHERE t.trip_id IS NULL
           OR t.started_at::time NOT BETWEEN c.earliest AND c.latest
           OR c.weekdays & (1 << (extract(isodow FROM t.started_at)::integer - 1)) = 0
           OR public.ST_DistanceSphere(c.pickup, t.origin) > max_radius_m
           OR public.ST_DistanceSphere(c.dropoff, t.destination) > max_radius_m
    ), twice AS (
        SELECT d.region_id, d.ranks FROM (
            SELECT c.region_id, array_agg(c.rank) AS ranks FROM counted c GROUP BY c.region_id, c.trip_id
            HAVING count(*) > 1) AS d
    ), double AS (
        SELECT t.region_id, r.rank FROM twice t, unnest(t.ranks) AS r (rank)
        UNION SELECT f.region_id, f.rank FROM found f WHERE f.rank <> f.rank_before + 1
    )
    SELECT v.region_id,
           coalesce(array_agg(DISTINCT v.rank ORDER BY v.rank) FILTER (WHERE v.is_misfit), '{}'),
           coalesce(array_agg(DISTINCT v.rank ORDER BY v.rank) FILTER (WHERE NOT v.is_misfit), '{}')
    FROM (SELECT m.region_id, m.rank, true AS is_misfit FROM misfit m
          UNION ALL SELECT d.region_id, d.rank, false FROM double d) AS v
    GROUP BY v.region_id;
END
$$;
