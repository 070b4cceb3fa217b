-- Open work: pairs whose trips changed after a derived table was computed.
CREATE OR REPLACE VIEW shifts_store.stale_weeks AS
SELECT r.name AS region, w.region_id, w.week, w.stale_since,
       w.aggregates_revision <> w.revision AS aggregates_stale,
       w.clusters_revision <> w.revision AS clusters_stale
FROM shifts_store.region_weeks w JOIN shifts_store.regions r USING (region_id)
WHERE w.aggregates_revision <> w.revision OR w.clusters_revision <> w.revision;

-- Stale pairs whose last refresh failed, or ended without a message. A first attempt that is at work has not failed.
CREATE OR REPLACE VIEW shifts_store.failed_refreshes AS
SELECT r.name AS region, a.week, a.derived_table, a.attempts, a.started_at, a.error
FROM shifts_store.refresh_attempts a
JOIN shifts_store.regions r USING (region_id)
JOIN shifts_store.stale_weeks s USING (region_id, week)
WHERE a.attempts > 1 OR a.retry_at <= now() OR a.error <> shifts_store.unfinished_refresh_error()
-- Shifts are made for a region; the week is the first one that changed.
UNION ALL
SELECT r.name, s.week, 'shifts', a.attempts, a.started_at, a.error
FROM shifts_store.shift_attempts a
JOIN shifts_store.regions r USING (region_id)
JOIN (SELECT w.region_id, min(w.week) AS week FROM shifts_store.region_weeks w
      WHERE w.shifts_revision <> w.revision GROUP BY w.region_id) AS s USING (region_id)
WHERE a.attempts > 1 OR a.retry_at <= now() OR a.error <> shifts_store.unfinished_refresh_error();
