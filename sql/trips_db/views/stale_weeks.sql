-- The work that is open: pairs whose trips changed after a layer was computed.
CREATE OR REPLACE VIEW shifts_store.stale_weeks AS
SELECT r.name AS region, w.region_id, w.week, w.stale_since,
       w.aggregates_change_id <> w.change_id AS aggregates_stale,
       w.clusters_change_id <> w.change_id AS clusters_stale
FROM shifts_store.region_weeks w JOIN shifts_store.regions r USING (region_id)
WHERE w.aggregates_change_id <> w.change_id OR w.clusters_change_id <> w.change_id;
