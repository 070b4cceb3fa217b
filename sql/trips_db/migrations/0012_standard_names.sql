-- Standard names. Renaming changes the catalog only: no table is read or rewritten, whatever its size.

ALTER TABLE shifts_store.week_files RENAME TO file_week_counts;
ALTER TABLE shifts_store.file_week_counts RENAME CONSTRAINT week_files_pkey TO file_week_counts_pkey;
ALTER TABLE shifts_store.file_week_counts RENAME CONSTRAINT week_files_trips_check TO file_week_counts_trips_check;
ALTER INDEX shifts_store.week_files_by_file RENAME TO file_week_counts_by_file;
ALTER INDEX shifts_store.week_files_pending RENAME TO file_week_counts_pending;
ALTER INDEX shifts_store.week_files_first RENAME TO file_week_counts_first;
ALTER INDEX shifts_store.week_files_last RENAME TO file_week_counts_last;

ALTER TABLE shifts_store.region_weeks RENAME COLUMN change_id TO revision;
ALTER TABLE shifts_store.region_weeks RENAME COLUMN removals TO deletion_count;
ALTER TABLE shifts_store.region_weeks RENAME COLUMN aggregates_change_id TO aggregates_revision;
ALTER TABLE shifts_store.region_weeks RENAME COLUMN clusters_change_id TO clusters_revision;
ALTER TABLE shifts_store.region_weeks RENAME COLUMN tiles_version TO tiles_revision;
ALTER SEQUENCE shifts_store.changes RENAME TO revisions;

ALTER TABLE shifts_store.weekly_trip_tiles RENAME COLUMN codes TO high_bits;
ALTER TABLE shifts_store.weekly_trip_tiles RENAME COLUMN rests TO low_bits;

ALTER TABLE shifts_store.refresh_attempts RENAME COLUMN layer TO derived_table;
ALTER TABLE shifts_store.refresh_attempts
    RENAME CONSTRAINT refresh_attempts_layer_check TO refresh_attempts_derived_table_check;

ALTER TABLE shifts_store.trip_files RENAME COLUMN batch TO run_request_id;
ALTER TABLE shifts_store.trip_files RENAME COLUMN announced_at TO published_at;

-- The foreign key is absent where sql/citus was applied.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_constraint WHERE conname = 'week_files_file_id_fkey') THEN
        ALTER TABLE shifts_store.file_week_counts
            RENAME CONSTRAINT week_files_file_id_fkey TO file_week_counts_file_id_fkey;
    END IF;
END
$$;
