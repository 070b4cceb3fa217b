-- The trips of a cluster are an array in its row: a row and two index entries for each of them took ten times the space and
-- longer to write than to compute.

DROP VIEW IF EXISTS shifts.cluster_members, shifts.grouped_trips;

ALTER TABLE shifts_store.trip_clusters ADD COLUMN trip_ids bigint[];
-- Arrays that are not very short are stored out of line: lists of clusters do not read them.
ALTER TABLE shifts_store.trip_clusters SET (toast_tuple_target = 128);
UPDATE shifts_store.trip_clusters c SET trip_ids = ARRAY(
    SELECT m.trip_id FROM shifts_store.trip_cluster_members m
    WHERE m.week = c.week AND m.cluster_id = c.cluster_id AND m.region_id = c.region_id ORDER BY m.trip_id);
DROP TABLE shifts_store.trip_cluster_members;

-- What a cluster lacks trips for by now is stale, and computed again.
UPDATE shifts_store.region_weeks w SET clusters_revision = 0
FROM (SELECT DISTINCT region_id, week FROM shifts_store.trip_clusters
      WHERE trips IS DISTINCT FROM cardinality(trip_ids)) AS c
WHERE w.region_id = c.region_id AND w.week = c.week;
DELETE FROM shifts_store.trip_clusters WHERE trips IS DISTINCT FROM cardinality(trip_ids);
ALTER TABLE shifts_store.trip_clusters ALTER COLUMN trip_ids SET NOT NULL;
ALTER TABLE shifts_store.trip_clusters ADD CONSTRAINT trip_clusters_trips CHECK (trips = cardinality(trip_ids));
