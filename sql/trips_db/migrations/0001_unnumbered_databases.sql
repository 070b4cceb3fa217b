-- Brings a database from before migrations were numbered to the tables that the next files describe. What those files
-- find, they leave; what a database does not have yet, they create. A new database has nothing to change here.
--
-- The forms that differ: region_weeks had no tiles_version; weekly_trip_tiles was missing, or had the bounds of
-- a tile as columns. Tiles are derived from the trips: they are dropped, and their weeks marked as stale.

DO $$
DECLARE
    weeks        regclass := to_regclass('shifts_store.region_weeks');
    tiles        regclass := to_regclass('shifts_store.weekly_trip_tiles');
    has_versions boolean := EXISTS (SELECT FROM pg_attribute WHERE attrelid = weeks AND attname = 'tiles_version');
    has_bounds   boolean := EXISTS (SELECT FROM pg_attribute WHERE attrelid = tiles AND attname = 'low_x0');
BEGIN
    IF weeks IS NULL OR (has_versions AND tiles IS NOT NULL AND NOT has_bounds) THEN
        RETURN;
    END IF;
    DROP VIEW IF EXISTS shifts_store.stale_weeks;
    DROP TABLE IF EXISTS shifts_store.weekly_trip_tiles;
    IF NOT has_versions THEN
        -- Columns behind the new one are added again, so that the order is that of a new database.
        ALTER TABLE shifts_store.region_weeks RENAME COLUMN clusters_change_id TO former_clusters_change_id;
        ALTER TABLE shifts_store.region_weeks RENAME COLUMN clusters_at TO former_clusters_at;
        ALTER TABLE shifts_store.region_weeks
            ADD COLUMN tiles_version bigint NOT NULL DEFAULT 0,
            ADD COLUMN clusters_change_id bigint NOT NULL DEFAULT 0,
            ADD COLUMN clusters_at timestamptz;
        UPDATE shifts_store.region_weeks
        SET clusters_change_id = former_clusters_change_id, clusters_at = former_clusters_at;
        ALTER TABLE shifts_store.region_weeks
            DROP COLUMN former_clusters_change_id,
            DROP COLUMN former_clusters_at;
    END IF;
    UPDATE shifts_store.week_files SET aggregated = false WHERE aggregated;
    UPDATE shifts_store.region_weeks
    SET aggregates_change_id = 0, aggregates_at = NULL,
        stale_since = CASE WHEN least(aggregates_change_id, clusters_change_id) = change_id
                           THEN clock_timestamp() ELSE stale_since END;
END
$$;
