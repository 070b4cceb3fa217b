-- Keys that Citus needs to distribute tables by region: unique keys contain the distribution column, and no foreign
-- key leads to another node. Plain SQL; answers stay the same.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'trip_clusters_of_region') THEN
        ALTER TABLE shifts_store.trip_clusters
            DROP CONSTRAINT trip_clusters_pkey,
            ADD CONSTRAINT trip_clusters_of_region PRIMARY KEY (week, cluster_id, region_id);
    END IF;
END
$$;

-- The ledger stays on the coordinator, because distributed tables cannot have its triggers.
ALTER TABLE shifts_store.file_week_counts DROP CONSTRAINT IF EXISTS file_week_counts_file_id_fkey;
-- A transaction that has read shards in parallel could not add a region while a distributed table refers to regions.
ALTER TABLE shifts_store.region_weeks DROP CONSTRAINT IF EXISTS region_weeks_region_id_fkey;
