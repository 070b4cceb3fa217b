-- Cells: what requests are counted from that may not see exact counts. docs/privacy.md says what they promise.

-- Takes over the setting of k; null if it is not set. If it has changed, cells of another k are dropped and their pairs are
-- stale. Returns whether it has.
CREATE OR REPLACE FUNCTION shifts_store.adopt_min_count(k integer) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    pair   record;
    moment timestamptz := clock_timestamp();
BEGIN
    IF k IS NOT DISTINCT FROM (SELECT s.min_count FROM shifts_store.cell_settings s) THEN
        RETURN false;
    END IF;
    LOCK TABLE shifts_store.cell_settings IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM shifts_store.cell_settings s WHERE s.is_set;
    INSERT INTO shifts_store.cell_settings (min_count) SELECT adopt_min_count.k WHERE adopt_min_count.k IS NOT NULL;
    -- One pair a statement, in the order in which loads lock them.
    FOR pair IN
        SELECT w.region_id, w.week FROM shifts_store.region_weeks w
        WHERE w.cells_min_count IS DISTINCT FROM k ORDER BY 1, 2
    LOOP
        PERFORM shifts_store.drop_cells(ARRAY[pair.region_id], ARRAY[pair.week]);
        UPDATE shifts_store.file_week_counts f SET cells_pool = NULL
        WHERE f.region_id = pair.region_id AND f.week = pair.week AND f.cells_pool IS NOT NULL;
        CONTINUE WHEN k IS NULL OR NOT EXISTS (
            SELECT FROM shifts_store.file_week_counts f WHERE f.region_id = pair.region_id AND f.week = pair.week);
        UPDATE shifts_store.region_weeks w
        SET aggregates_revision = 0,
            stale_since = CASE WHEN w.aggregates_revision = w.revision AND w.clusters_revision = w.revision
                               THEN moment ELSE w.stale_since END
        WHERE w.region_id = pair.region_id AND w.week = pair.week;
    END LOOP;
    PERFORM pg_notify('shifts_weeks', '');
    RETURN true;
END
$$;

-- Drops the cells of pairs, which are withheld until their next refresh. The caller has locked the pairs.
CREATE OR REPLACE FUNCTION shifts_store.drop_cells(region_ids integer[], weeks date[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    version bigint := nextval('shifts_store.revisions');
BEGIN
    UPDATE shifts_store.region_weeks w SET cells_revision = version, cells_min_count = NULL, cells_trips = 0
    FROM (SELECT DISTINCT u.region_id, u.week FROM unnest(drop_cells.region_ids, drop_cells.weeks) AS u (region_id, week)) AS p
    WHERE w.region_id = p.region_id AND w.week = p.week AND w.cells_min_count IS NOT NULL;
    DELETE FROM shifts_store.cell_tiles t
    USING unnest(drop_cells.region_ids, drop_cells.weeks) AS p (region_id, week)
    WHERE t.region_id = p.region_id AND t.week = p.week;
END
$$;

-- Replaces the cells of a pair by the tiles of a segment, which are written, and records the pools of its files; nothing to do
-- without k. The caller has locked the pair. If trips were deleted since they were read, it drops the cells: they may contain
-- these trips.
CREATE OR REPLACE FUNCTION shifts_store.replace_cells(
    region_id integer, week date, k integer, segment bigint, trips bigint, deletion_count bigint, file_ids bigint[],
    pools bigint[])
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    version bigint := nextval('shifts_store.revisions');
BEGIN
    IF k IS DISTINCT FROM (SELECT s.min_count FROM shifts_store.cell_settings s) THEN
        RAISE EXCEPTION 'SHIFTS_MIN_COUNT has changed since this run began, or is not adopted yet';
    END IF;
    IF k IS NULL THEN
        RETURN;
    END IF;
    UPDATE shifts_store.region_weeks w
    SET cells_revision = version, cells_min_count = replace_cells.k, cells_trips = replace_cells.trips
    WHERE w.region_id = replace_cells.region_id AND w.week = replace_cells.week
      AND w.deletion_count = replace_cells.deletion_count;
    IF NOT FOUND THEN
        PERFORM shifts_store.drop_cells(ARRAY[replace_cells.region_id], ARRAY[replace_cells.week]);
        RETURN;
    END IF;
    DELETE FROM shifts_store.cell_tiles t
    WHERE t.region_id = replace_cells.region_id AND t.week = replace_cells.week AND t.segment <> replace_cells.segment;
    UPDATE shifts_store.file_week_counts f SET cells_pool = u.pool
    FROM unnest(replace_cells.file_ids, replace_cells.pools) AS u (file_id, pool)
    WHERE f.region_id = replace_cells.region_id AND f.week = replace_cells.week AND f.file_id = u.file_id
      AND f.cells_pool IS DISTINCT FROM u.pool;
END
$$;

-- Returns a region as `find_region` does, for counts of cells of k trips: the first and the last day of the weeks that have
-- such cells, as times. Trips that are in no cell are never counted.
CREATE OR REPLACE FUNCTION shifts_store.find_region_of_cells(wanted text, k integer)
RETURNS TABLE (region_id integer, first_at timestamp, last_at timestamp, tiles_revision bigint, is_pending boolean)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    region_id := (SELECT r.region_id FROM shifts_store.regions r WHERE r.name = wanted);
    SELECT sum(w.cells_revision), min(w.week) FILTER (WHERE w.cells_min_count = k AND w.cells_trips > 0),
           max(w.week) FILTER (WHERE w.cells_min_count = k AND w.cells_trips > 0) + interval '6 days 23:59:59'
    INTO tiles_revision, first_at, last_at
    FROM shifts_store.region_weeks w WHERE w.region_id = find_region_of_cells.region_id;
    is_pending := false;
    IF tiles_revision IS NOT NULL THEN
        RETURN NEXT;
    END IF;
END
$$;

-- Returns the tiles of the cells of k trips of some weeks of a region, as `segment_tiles` does: none is small, and all are
-- returned, since a refresh replaces all. Pairs with cells of another k have none.
CREATE OR REPLACE FUNCTION shifts_store.tiles_of_cells(
    region integer, weeks date[], since bigint[], small bigint, k integer)
RETURNS TABLE (week date, segment bigint, tile integer, is_deletion boolean, trips integer, has_minutes boolean,
               leaves bytea, high_bits bytea, low_bits bytea)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp
SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    RETURN QUERY
    SELECT t.week, t.segment, t.tile, false, t.trips, true, t.leaves, NULL::bytea, NULL::bytea
    FROM unnest(tiles_of_cells.weeks) AS u (week)
    JOIN shifts_store.region_weeks w ON w.region_id = region AND w.week = u.week AND w.cells_min_count = k
    JOIN shifts_store.cell_tiles t ON t.region_id = region AND t.week = u.week;
END
$$;
