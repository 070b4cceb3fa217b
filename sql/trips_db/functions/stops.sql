-- Stops: files of stops that are read, cannot be used or are gone; each change makes the shifts of the region stale.

-- Records a version of a file of stops, which replace those of the version before.
CREATE OR REPLACE FUNCTION shifts_store.replace_stops(
    name text, version text, region text, labels text[], longitudes double precision[], latitudes double precision[],
    lines integer[], reasons text[], raws text[])
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    INSERT INTO shifts_store.stop_files AS f (name, version, region, stops, rejected, error, read_at)
    VALUES (replace_stops.name, replace_stops.version, replace_stops.region, cardinality(labels), cardinality(lines),
            NULL, clock_timestamp())
    ON CONFLICT ON CONSTRAINT stop_files_pkey DO UPDATE
    SET version = excluded.version, stops = excluded.stops, rejected = excluded.rejected, error = NULL,
        read_at = excluded.read_at;
    DELETE FROM shifts_store.stops s WHERE s.file = replace_stops.name;
    DELETE FROM shifts_store.rejected_stops r WHERE r.file = replace_stops.name;
    INSERT INTO shifts_store.stops (file, number, label, place)
    SELECT replace_stops.name, u.number, u.label, public.ST_SetSRID(public.ST_MakePoint(u.longitude, u.latitude), 4326)
    FROM unnest(labels, longitudes, latitudes) WITH ORDINALITY AS u (label, longitude, latitude, number);
    INSERT INTO shifts_store.rejected_stops (file, line, reason, raw)
    SELECT replace_stops.name, u.line, u.reason, u.raw FROM unnest(lines, reasons, raws) AS u (line, reason, raw);
    PERFORM shifts_store.record_region_stops(replace_stops.region);
END
$$;

-- Records a version of a file of stops that cannot be used. The stops of the version before stay.
CREATE OR REPLACE FUNCTION shifts_store.fail_stops(name text, version text, region text, error text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
    INSERT INTO shifts_store.stop_files (name, version, region, stops, rejected, error, read_at)
    VALUES (fail_stops.name, fail_stops.version, fail_stops.region, 0, 0, fail_stops.error, clock_timestamp())
    ON CONFLICT ON CONSTRAINT stop_files_pkey DO UPDATE
    SET version = excluded.version, error = excluded.error, read_at = excluded.read_at
$$;

-- Deletes the stops of a file that is gone.
CREATE OR REPLACE FUNCTION shifts_store.delete_stops(name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    region text;
BEGIN
    DELETE FROM shifts_store.stop_files f WHERE f.name = delete_stops.name RETURNING f.region INTO region;
    IF region IS NOT NULL THEN
        PERFORM shifts_store.record_region_stops(region);
    END IF;
END
$$;

-- Records what the stops of a region are by now; the region's shifts become stale if that is something else.
CREATE OR REPLACE FUNCTION shifts_store.record_region_stops(region text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    since  timestamptz := clock_timestamp();
    one    integer := (SELECT r.region_id FROM shifts_store.regions r WHERE r.name = record_region_stops.region);
    stored bytea := (
        SELECT sha256(string_agg(public.ST_AsBinary(s.place) || convert_to(s.label, 'UTF8') || '\x00', ''
                                 ORDER BY public.ST_X(s.place), public.ST_Y(s.place), s.label COLLATE "C"))
        FROM shifts_store.stops s JOIN shifts_store.stop_files f ON f.name = s.file
        WHERE f.region = record_region_stops.region);
BEGIN
    IF stored IS NOT DISTINCT FROM (SELECT h.hash FROM shifts_store.region_stops h
                                    WHERE h.region = record_region_stops.region) THEN
        RETURN;
    END IF;
    DELETE FROM shifts_store.region_stops h WHERE h.region = record_region_stops.region;
    INSERT INTO shifts_store.region_stops (region, hash) SELECT record_region_stops.region, stored
    WHERE stored IS NOT NULL;
    PERFORM pg_advisory_xact_lock(shifts_store.shift_inputs_lock());
    -- In the order in which loads lock pairs.
    PERFORM FROM shifts_store.region_weeks w WHERE w.region_id = one ORDER BY w.week FOR UPDATE;
    UPDATE shifts_store.region_weeks w
    SET shifts_stale_since = CASE WHEN w.shifts_revision = w.revision THEN since ELSE w.shifts_stale_since END,
        shifts_revision = 0
    WHERE w.region_id = one;
END
$$;
