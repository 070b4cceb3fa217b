-- Segments of tiles: what a load, a post or a deletion adds to the tiles of (region, week) pairs, and a refresh merges.
-- docs/decisions/segments.md explains them.

-- Returns numbers of new segments. Their tiles may be written at once; they count when the segments are recorded.
CREATE OR REPLACE FUNCTION shifts_store.reserve_segments(size bigint) RETURNS SETOF bigint
LANGUAGE sql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
    SELECT nextval('shifts_store.segment_numbers') FROM generate_series(1, size)
$$;

-- Records segments whose tiles are written; arrays of equal length. The caller has locked the pairs with `mark_stale`.
CREATE OR REPLACE FUNCTION shifts_store.record_segments(
    region_ids integer[], weeks date[], segments bigint[], file_ids bigint[], trips bigint[])
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    -- Drawn after the pairs are locked, so that it is higher than all before.
    version bigint := nextval('shifts_store.revisions');
    one     record;
BEGIN
    INSERT INTO shifts_store.tile_segments (region_id, week, revision, segment, file_id, trips)
    SELECT u.region_id, u.week, version, u.segment, u.file_id, u.trips
    FROM unnest(record_segments.region_ids, record_segments.weeks, record_segments.segments,
                record_segments.file_ids, record_segments.trips) AS u (region_id, week, segment, file_id, trips);
    FOR one IN
        SELECT p.region_id, array_agg(DISTINCT p.week) AS weeks
        FROM unnest(record_segments.region_ids, record_segments.weeks) AS p (region_id, week)
        GROUP BY p.region_id ORDER BY p.region_id
    LOOP
        UPDATE shifts_store.region_weeks w SET tiles_revision = version
        WHERE w.region_id = one.region_id AND w.week = ANY (one.weeks);
    END LOOP;
END
$$;

-- Replaces segments of a pair by one, which may be one of them, or by none (null). It contains the trips of these files.
-- The caller has locked the pair. Returns false if one of the segments is gone: then the caller must roll back.
CREATE OR REPLACE FUNCTION shifts_store.replace_segments(
    region_id integer, week date, merged bigint[], segment bigint, trips bigint, file_ids bigint[])
RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    version bigint := nextval('shifts_store.revisions');
    deleted bigint;
BEGIN
    DELETE FROM shifts_store.tile_segments s
    WHERE s.region_id = replace_segments.region_id AND s.week = replace_segments.week AND s.segment = ANY (merged);
    GET DIAGNOSTICS deleted = ROW_COUNT;
    IF deleted <> cardinality(merged) THEN
        RETURN false;
    END IF;
    DELETE FROM shifts_store.weekly_trip_tiles t
    WHERE t.region_id = replace_segments.region_id AND t.week = replace_segments.week AND t.segment = ANY (merged)
      AND t.segment IS DISTINCT FROM replace_segments.segment;
    IF replace_segments.segment IS NOT NULL THEN
        INSERT INTO shifts_store.tile_segments (region_id, week, revision, segment, trips)
        VALUES (replace_segments.region_id, replace_segments.week, version, replace_segments.segment,
                replace_segments.trips);
    END IF;
    UPDATE shifts_store.region_weeks w SET tiles_revision = version, merged_revision = version
    WHERE w.region_id = replace_segments.region_id AND w.week = replace_segments.week;
    UPDATE shifts_store.file_week_counts f SET aggregated = true
    WHERE f.region_id = replace_segments.region_id AND f.week = replace_segments.week AND f.file_id = ANY (file_ids)
      AND NOT f.aggregated;
    RETURN true;
END
$$;

-- Returns the tiles of a region's segments that were recorded after `since`, one revision for each week. Of segments of at
-- most `small` trips that are not merged yet, it returns the bits too; else they are null. Tiles of older versions have
-- no minutes: two bytes a trip less.
CREATE OR REPLACE FUNCTION shifts_store.segment_tiles(region integer, weeks date[], since bigint[], small bigint)
RETURNS TABLE (week date, segment bigint, tile integer, is_deletion boolean, trips integer, has_minutes boolean,
               leaves bytea, high_bits bytea, low_bits bytea)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp
SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    RETURN QUERY
    SELECT t.week, t.segment, t.tile, s.trips < 0, t.trips, octet_length(t.high_bits) > 8 * t.trips, t.leaves,
           CASE WHEN abs(s.trips) <= small AND s.revision > w.merged_revision THEN t.high_bits END,
           CASE WHEN abs(s.trips) <= small AND s.revision > w.merged_revision THEN t.low_bits END
    FROM unnest(segment_tiles.weeks, segment_tiles.since) AS u (week, since)
    JOIN shifts_store.region_weeks w ON w.region_id = region AND w.week = u.week
    JOIN shifts_store.tile_segments s ON s.region_id = region AND s.week = u.week AND s.revision > u.since
    JOIN shifts_store.weekly_trip_tiles t ON t.region_id = region AND t.week = u.week AND t.segment = s.segment;
END
$$;

-- Returns byte ranges of the low bits of tiles, or of tiles of cells, by their number in the arrays, which have equal
-- lengths; no row for a tile that does not exist. Each region is read by a statement of its own, which needs no other server.
CREATE OR REPLACE FUNCTION shifts_store.low_bits(
    of_cells boolean, region_ids integer[], weeks date[], segments bigint[], tiles integer[], starts integer[],
    sizes integer[])
RETURNS TABLE (number bigint, bytes bytea)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    one integer;
BEGIN
    FOR one IN SELECT DISTINCT u.id FROM unnest(region_ids) AS u (id) LOOP
        IF of_cells THEN
            RETURN QUERY
            SELECT u.number, substring(t.low_bits FROM u.start + 1 FOR u.size)
            FROM unnest(region_ids, low_bits.weeks, low_bits.segments, low_bits.tiles, low_bits.starts, low_bits.sizes)
                WITH ORDINALITY AS u (region_id, week, segment, tile, start, size, number)
            JOIN shifts_store.cell_tiles t
                ON t.week = u.week AND t.segment = u.segment AND t.tile = u.tile
            WHERE u.region_id = one AND t.region_id = one;
        ELSE
            RETURN QUERY
            SELECT u.number, substring(t.low_bits FROM u.start + 1 FOR u.size)
            FROM unnest(region_ids, low_bits.weeks, low_bits.segments, low_bits.tiles, low_bits.starts, low_bits.sizes)
                WITH ORDINALITY AS u (region_id, week, segment, tile, start, size, number)
            JOIN shifts_store.weekly_trip_tiles t
                ON t.week = u.week AND t.segment = u.segment AND t.tile = u.tile
            WHERE u.region_id = one AND t.region_id = one;
        END IF;
    END LOOP;
END
$$;
