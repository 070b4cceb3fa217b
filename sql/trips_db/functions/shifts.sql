-- Shifts: how they are shown, which regions are due for new ones, and the makings that begin and end.

-- The weekdays of a shift as text, Monday first: 'mon,tue'.
CREATE OR REPLACE FUNCTION shifts_store.weekday_names(weekdays smallint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT concat_ws(',', CASE WHEN weekdays & 1 <> 0 THEN 'mon' END, CASE WHEN weekdays & 2 <> 0 THEN 'tue' END,
        CASE WHEN weekdays & 4 <> 0 THEN 'wed' END, CASE WHEN weekdays & 8 <> 0 THEN 'thu' END,
        CASE WHEN weekdays & 16 <> 0 THEN 'fri' END, CASE WHEN weekdays & 32 <> 0 THEN 'sat' END,
        CASE WHEN weekdays & 64 <> 0 THEN 'sun' END)
$$;

-- Returns the rank and id of the shift that counts a trip in the making of a week; no row if none does. The start of the
-- trip, which must be given, excludes most shifts before their trips are read.
CREATE OR REPLACE FUNCTION shifts_store.shift_of_trip(
    region_id integer, week date, trip_id bigint, started_at timestamp)
RETURNS TABLE (rank integer, shift_id bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT s.rank, s.shift_id FROM shifts_store.shifts s
    WHERE s.region_id = shift_of_trip.region_id AND s.week = shift_of_trip.week
      AND shift_of_trip.started_at::time BETWEEN s.earliest AND s.latest
      AND s.weekdays & (1 << (extract(isodow FROM shift_of_trip.started_at)::integer - 1)) <> 0
      AND s.trip_ids @> ARRAY[shift_of_trip.trip_id]
    ORDER BY s.rank LIMIT 1;
END
$$;
