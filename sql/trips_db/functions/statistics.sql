-- Weekly counts of trips in an area: finding the region, and counting the trips that tiles do not answer for.

-- Whether a point is in a closed box, in degrees. With west > east the box crosses the antimeridian.
CREATE OR REPLACE FUNCTION shifts_store.in_box(
    point public.geometry, west double precision, south double precision, east double precision, north double precision)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT public.ST_Y(point) BETWEEN south AND north
       AND CASE WHEN west <= east THEN public.ST_X(point) BETWEEN west AND east
                ELSE public.ST_X(point) >= west OR public.ST_X(point) <= east END
$$;

-- Whether a point is in a polygon, its border included, or in a closed box if the polygon is null.
CREATE OR REPLACE FUNCTION shifts_store.in_area(
    point public.geometry, polygon public.geometry,
    west double precision, south double precision, east double precision, north double precision)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN polygon IS NOT NULL THEN public.ST_Intersects(polygon, point)
                ELSE shifts_store.in_box(point, west, south, east, north) END
$$;

-- Whether a trip starts in a half-open window of the day, in minutes, on one of some weekdays, Monday is 1. Null weekdays are
-- all, a null window is the whole day; one whose end is before its start crosses midnight.
CREATE OR REPLACE FUNCTION shifts_store.in_time(
    started_at timestamp, weekdays integer[], first_minute integer, end_minute integer)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (weekdays IS NULL OR extract(isodow FROM started_at)::integer = ANY (weekdays))
       AND CASE
           WHEN first_minute IS NULL THEN true
           WHEN first_minute < end_minute THEN
               extract(hour FROM started_at) * 60 + extract(minute FROM started_at) >= first_minute
               AND extract(hour FROM started_at) * 60 + extract(minute FROM started_at) < end_minute
           ELSE extract(hour FROM started_at) * 60 + extract(minute FROM started_at) >= first_minute
                OR extract(hour FROM started_at) * 60 + extract(minute FROM started_at) < end_minute
           END
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

-- Counts trips row by row, by week and hour of the week: those that are in no tile yet, and all of the weeks `whole_weeks`.
-- `match` says which ends must be in the area: both, origin, destination or any.
CREATE OR REPLACE FUNCTION shifts_store.count_pending(
    region integer, polygon public.geometry,
    west double precision, south double precision, east double precision, north double precision,
    match text, weekdays integer[], first_minute integer, end_minute integer,
    first_week date, last_week date, whole_weeks date[])
RETURNS TABLE (week date, hour integer, trips bigint)
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
    WHERE f.region_id = region AND f.week BETWEEN first_week AND last_week
      AND (NOT f.aggregated OR f.week = ANY (whole_weeks));
    IF first_file IS NULL THEN
        RETURN;
    END IF;
    -- Parallel workers count by file and partition, which holds one week; then each file and week is looked up once.
    RETURN QUERY
    SELECT c.week, c.hour, sum(c.trips)::bigint
    FROM (
        SELECT t.file_id, shifts_store.week_of(min(t.started_at)) AS week,
               (extract(isodow FROM t.started_at) * 24 - 24 + extract(hour FROM t.started_at))::integer AS hour,
               count(*) AS trips
        FROM shifts_store.trips t
        WHERE t.region_id = region AND t.started_at >= monday AND t.started_at < sunday + 1
          AND t.file_id BETWEEN first_file AND last_file
          AND shifts_store.in_time(t.started_at, weekdays, first_minute, end_minute)
          AND CASE match
              WHEN 'both' THEN shifts_store.in_area(t.origin, polygon, west, south, east, north)
                           AND shifts_store.in_area(t.destination, polygon, west, south, east, north)
              WHEN 'any' THEN shifts_store.in_area(t.origin, polygon, west, south, east, north)
                           OR shifts_store.in_area(t.destination, polygon, west, south, east, north)
              WHEN 'origin' THEN shifts_store.in_area(t.origin, polygon, west, south, east, north)
              WHEN 'destination' THEN shifts_store.in_area(t.destination, polygon, west, south, east, north)
              END
        GROUP BY t.file_id, t.tableoid, 3
    ) AS c
    -- Not a join: with outdated statistics its plan would compare every file with every other.
    WHERE (SELECT NOT f.aggregated OR f.week = ANY (whole_weeks) FROM shifts_store.file_week_counts f
           WHERE f.region_id = region AND f.week = c.week AND f.file_id = c.file_id)
    GROUP BY c.week, c.hour;
END
$$;

-- Counts the same trips as `count_pending` between polygons, by week and number of the polygons of origin and destination.
CREATE OR REPLACE FUNCTION shifts_store.matrix_pending(
    region integer, polygons bytea[], weekdays integer[], first_minute integer, end_minute integer,
    first_week date, last_week date, whole_weeks date[])
RETURNS TABLE (week date, origin integer, destination integer, trips bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp
SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    RETURN QUERY
    WITH zones AS MATERIALIZED (
        SELECT p.number::integer AS number, public.ST_GeomFromWKB(p.wkb, 4326) AS geometry
        FROM unnest(polygons) WITH ORDINALITY AS p (wkb, number)
    )
    SELECT f.week, o.number, d.number, count(*)
    FROM shifts_store.file_week_counts f
    JOIN shifts_store.trips t
        ON t.region_id = region AND t.file_id = f.file_id AND t.started_at >= f.week AND t.started_at < f.week + 7
    JOIN zones o ON public.ST_Intersects(o.geometry, t.origin)
    JOIN zones d ON public.ST_Intersects(d.geometry, t.destination)
    WHERE f.region_id = region AND f.week BETWEEN first_week AND last_week
      AND (NOT f.aggregated OR f.week = ANY (whole_weeks))
      AND shifts_store.in_time(t.started_at, weekdays, first_minute, end_minute)
    GROUP BY f.week, o.number, d.number;
END
$$;
