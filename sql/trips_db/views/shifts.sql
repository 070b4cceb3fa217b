-- Views for analysts, with stable names and columns: for a SQL prompt, QGIS or a dashboard.

CREATE OR REPLACE VIEW shifts.trips AS
SELECT t.trip_id, r.name AS region, t.origin, t.destination, t.started_at, s.name AS source, t.file_id
FROM shifts_store.trips t
JOIN shifts_store.regions r USING (region_id)
JOIN shifts_store.sources s USING (source_id);

CREATE OR REPLACE VIEW shifts.clusters AS
SELECT c.cluster_id, r.name AS region, c.week, c.typical_time AS time_of_day, c.trips, c.radius_m,
       c.origin, c.destination
FROM shifts_store.trip_clusters c JOIN shifts_store.regions r USING (region_id);

CREATE OR REPLACE VIEW shifts.cluster_members AS
SELECT c.cluster_id, m.trip_id
FROM shifts_store.trip_clusters c CROSS JOIN LATERAL unnest(c.trip_ids) AS m (trip_id);

-- Never stale: loads record their counts in the transaction that inserts the trips. Includes the totals that are kept of expired
-- weeks.
CREATE OR REPLACE VIEW shifts.weekly AS
SELECT r.name AS region, f.week, sum(f.trips)::bigint AS trips
FROM (SELECT c.region_id, c.week, c.trips FROM shifts_store.file_week_counts c
      UNION ALL SELECT e.region_id, e.week, e.trips FROM shifts_store.expired_totals e) AS f
JOIN shifts_store.regions r USING (region_id)
GROUP BY r.name, f.week;

CREATE OR REPLACE VIEW shifts.files AS
SELECT file_id, name, uri, status, rows_loaded, rows_rejected, task_id, run_id, queued_at, finished_at, error,
       deleted_by
FROM shifts_store.trip_files;

CREATE OR REPLACE VIEW shifts.rejects AS
SELECT file_id, line, reason, raw FROM shifts_store.rejected_rows;

-- Each trip in a cluster, with the columns of both. A condition on started_at excludes the partitions of other weeks.
CREATE OR REPLACE VIEW shifts.grouped_trips AS
SELECT c.cluster_id, r.name AS region, c.week, c.typical_time AS time_of_day, c.trips, t.trip_id, t.started_at,
       t.origin, t.destination, s.name AS source
FROM shifts_store.trip_clusters c
CROSS JOIN LATERAL unnest(c.trip_ids) AS m (trip_id)
JOIN shifts_store.trips t ON t.region_id = c.region_id AND t.trip_id = m.trip_id
JOIN shifts_store.regions r ON r.region_id = c.region_id
JOIN shifts_store.sources s USING (source_id);

-- `week` is the last week of the history that a shift was made from; its id is the same in other weeks.
CREATE OR REPLACE VIEW shifts.shifts AS
SELECT s.shift_id, r.name AS region, s.week, s.rank, shifts_store.weekday_names(s.weekdays) AS weekdays, s.departs,
       s.earliest, s.latest, s.riders, s.riders_low, s.riders_high, s.regularity, s.weeks, s.first_week, s.status,
       s.pickup, s.dropoff
FROM shifts_store.shifts s JOIN shifts_store.regions r USING (region_id);

-- A zone without a region may be named in requests for any region.
CREATE OR REPLACE VIEW shifts.zones AS
SELECT z.name, r.name AS region, public.ST_Multi(z.geometry)::public.geometry(MultiPolygon, 4326) AS geometry
FROM shifts_store.zones z LEFT JOIN shifts_store.regions r USING (region_id);

-- Places at which the vehicles of a region may stop, of all files of stops.
CREATE OR REPLACE VIEW shifts.stops AS
SELECT f.region, s.label AS name, s.place, s.file
FROM shifts_store.stops s JOIN shifts_store.stop_files f ON f.name = s.file;
