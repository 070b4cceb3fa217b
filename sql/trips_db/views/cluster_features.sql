-- Clusters with the properties that the web service returns; `monday` selects the week.
CREATE OR REPLACE VIEW shifts_store.cluster_features AS
SELECT c.cluster_id, r.name AS region, to_char(c.week, 'IYYY-"W"IW') AS week, c.week AS monday,
       to_char(c.typical_time, 'HH24:MI:SS') AS time_of_day, to_char(c.earliest_time, 'HH24:MI:SS') AS earliest,
       to_char(c.latest_time, 'HH24:MI:SS') AS latest, c.trips, c.radius_m, c.share_of_bin,
       c.origin, c.destination, c.region_id, c.time_bin
FROM shifts_store.trip_clusters c JOIN shifts_store.regions r USING (region_id);
