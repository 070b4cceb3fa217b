-- Open work: pairs whose trips changed after a derived table was computed.
CREATE OR REPLACE VIEW shifts_store.stale_weeks AS
SELECT r.name AS region, w.region_id, w.week, w.stale_since,
       w.aggregates_revision <> w.revision AS aggregates_stale,
       w.clusters_revision <> w.revision AS clusters_stale
FROM shifts_store.region_weeks w JOIN shifts_store.regions r USING (region_id)
WHERE w.aggregates_revision <> w.revision OR w.clusters_revision <> w.revision;
