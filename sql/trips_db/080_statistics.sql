-- Trips a week in a box: the one definition of what is counted.

-- Whether a point lies in a closed box, in degrees; west > east means across the antimeridian.
CREATE OR REPLACE FUNCTION shifts_store.in_box(
    point geometry, west double precision, south double precision, east double precision, north double precision)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ST_Y(point) BETWEEN south AND north
       AND CASE WHEN west <= east THEN ST_X(point) BETWEEN west AND east
                ELSE ST_X(point) >= west OR ST_X(point) <= east END
$$;

-- Trips of a region by week, in the weeks from one Monday to another. `match` says which ends must be in the box:
-- both, origin, destination or any.
CREATE OR REPLACE FUNCTION shifts_store.count_trips(
    region integer, west double precision, south double precision, east double precision, north double precision,
    match text, first_week date, last_week date)
RETURNS TABLE (week date, trips bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT date_trunc('week', t.started_at)::date, count(*)
    FROM shifts_store.trips t
    WHERE t.region_id = region AND t.started_at >= first_week AND t.started_at < last_week + 7
      AND CASE match
          WHEN 'both' THEN shifts_store.in_box(t.origin, west, south, east, north)
                       AND shifts_store.in_box(t.destination, west, south, east, north)
          WHEN 'any' THEN shifts_store.in_box(t.origin, west, south, east, north)
                       OR shifts_store.in_box(t.destination, west, south, east, north)
          WHEN 'origin' THEN shifts_store.in_box(t.origin, west, south, east, north)
          WHEN 'destination' THEN shifts_store.in_box(t.destination, west, south, east, north)
          END
    GROUP BY 1
    ORDER BY 1
$$;

-- When a region's trips begin and end, and when they last changed; one row, nulls for a region without trips.
CREATE OR REPLACE FUNCTION shifts_store.region_span(region integer)
RETURNS TABLE (first_at timestamp, last_at timestamp, changed_at timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT min(f.first_at), max(f.last_at),
           (SELECT max(w.changed_at) FROM shifts_store.region_weeks w WHERE w.region_id = region)
    FROM shifts_store.week_files f WHERE f.region_id = region
$$;
