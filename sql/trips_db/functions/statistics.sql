-- Weekly counts of trips in a box: finding the region, and counting the trips that are in no tile yet.

-- Whether a point is in a closed box, in degrees. With west > east the box crosses the antimeridian.
CREATE OR REPLACE FUNCTION shifts_store.in_box(
    point public.geometry, west double precision, south double precision, east double precision, north double precision)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT public.ST_Y(point) BETWEEN south AND north
       AND CASE WHEN west <= east THEN public.ST_X(point) BETWEEN west AND east
                ELSE public.ST_X(point) >= west OR public.ST_X(point) <= east END
$$;

-- Returns a region by its name, or no row if it never had trips: the times of its first and last trip, a revision number
-- that changes with any of its tiles, and whether some of its trips are in no tile yet.
CREATE OR REPLACE FUNCTION shifts_store.find_region(wanted text)
RETURNS TABLE (region_id integer, first_at timestamp, last_at timestamp, tiles_revision bigint, is_pending boolean)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    id integer := (SELECT r.region_id FROM shifts_store.regions r WHERE r.name = wanted);
BEGIN
    -- Each revision only increases, so the sum changes with each of them, in any order of commits.
    tiles_revision := (SELECT sum(w.tiles_revision) FROM shifts_store.region_weeks w WHERE w.region_id = id);
    IF tiles_revision IS NULL THEN
        RETURN;
    END IF;
    region_id := id;
    first_at := (SELECT min(f.first_at) FROM shifts_store.file_week_counts f WHERE f.region_id = id);
    last_at := (SELECT max(f.last_at) FROM shifts_store.file_week_counts f WHERE f.region_id = id);
    is_pending := EXISTS (SELECT FROM shifts_store.file_week_counts f WHERE f.region_id = id AND NOT f.aggregated);
    RETURN NEXT;
END
$$;

-- Counts the trips that are in no tile yet, row by row. `match` says which ends must be in the box: both, origin,
-- destination or any.
CREATE OR REPLACE FUNCTION shifts_store.count_pending(
    region integer, west double precision, south double precision, east double precision, north double precision,
    match text, first_week date, last_week date)
RETURNS TABLE (week date, trips bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp
-- A generic plan would evaluate `match` for every trip and misestimate the number of trips.
SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    first_file bigint;
    last_file  bigint;
    monday     date;
    sunday     date;
BEGIN
    SELECT min(f.file_id), max(f.file_id), min(f.week), max(f.week) + 6
    INTO first_file, last_file, monday, sunday
    FROM shifts_store.file_week_counts f
    WHERE f.region_id = region AND f.week BETWEEN first_week AND last_week AND NOT f.aggregated;
    IF first_file IS NULL THEN
        RETURN;
    END IF;
    -- Parallel workers count by file and partition, which holds one week; then each file and week is looked up once.
    RETURN QUERY
    SELECT c.week, sum(c.trips)::bigint
    FROM (
        SELECT t.file_id, shifts_store.week_of(min(t.started_at)) AS week, count(*) AS trips
        FROM shifts_store.trips t
        WHERE t.region_id = region AND t.started_at >= monday AND t.started_at < sunday + 1
          AND t.file_id BETWEEN first_file AND last_file
          AND CASE match
              WHEN 'both' THEN shifts_store.in_box(t.origin, west, south, east, north)
                           AND shifts_store.in_box(t.destination, west, south, east, north)
              WHEN 'any' THEN shifts_store.in_box(t.origin, west, south, east, north)
                           OR shifts_store.in_box(t.destination, west, south, east, north)
              WHEN 'origin' THEN shifts_store.in_box(t.origin, west, south, east, north)
              WHEN 'destination' THEN shifts_store.in_box(t.destination, west, south, east, north)
              END
        GROUP BY t.file_id, t.tableoid
    ) AS c
    -- Not a join: with outdated statistics its plan would compare every file with every other.
    WHERE (SELECT NOT f.aggregated FROM shifts_store.file_week_counts f
           WHERE f.region_id = region AND f.week = c.week AND f.file_id = c.file_id)
    GROUP BY c.week;
END
$$;
